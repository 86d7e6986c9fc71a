"""The long form: `make fuzz`. It brings its own servers, and leaves what it found in a folder."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from infrastructure.embedded.supervisor import EmbeddedServices
from tests.api.fuzzing.campaign import Effort, Outcome, fuzz
from tests.api.fuzzing.world import environment_for, mailbox_of, populate
from tests.journeys.shop import open_shop
from tests.support.running import running


def main() -> int:
    """Try for as long as was asked; 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument(
        "--seconds", type=int, default=300, help="for each caller; two are at work at a time (300)"
    )
    parser.add_argument("--examples", type=int, default=100, help="requests an operation in each round (100)")
    parser.add_argument("--seed", type=int, help="to repeat a run; a new one each time by default")
    asked = parser.parse_args()
    seed = random.randrange(2**32) if asked.seed is None else asked.seed
    print(f"Seed {seed}.", flush=True)
    effort = Effort(seed=seed, examples=asked.examples, seconds=asked.seconds, thorough=True)
    folder = Path(tempfile.mkdtemp(prefix="daftar-fuzz-"))
    outcomes = asyncio.run(_fuzz(effort, folder))
    for outcome in outcomes:
        (folder / f"{outcome.caller}.txt").write_text(outcome.output)
        words = "found nothing"
        if outcome.exit_code:
            words = f"found something (exit code {outcome.exit_code}):\n{outcome.output}\n"
        print(f"{outcome.caller}: {sum(outcome.answers.values())} requests, {words}")
    bugs = [log for log in folder.glob("*.log") if "Traceback" in log.read_text(errors="replace")]
    for log in bugs:
        print(f"There are stack traces in {log}.")
    print(f"Everything is in {folder}.")
    return 1 if bugs or any(outcome.exit_code for outcome in outcomes) else 0


async def _fuzz(effort: Effort, folder: Path) -> list[Outcome]:
    async with EmbeddedServices(folder / "data") as servers:
        assert servers.urls.database_url is not None
        house = folder / "house"
        environment = environment_for(servers.urls, servers.urls.database_url, house)
        async with running(environment, folder) as daftar:
            async with open_shop(daftar) as shop:
                world = await populate(shop, mailbox_of(servers.urls, house))
                await shop.caught_up()
            return await fuzz(world, folder, effort)


if __name__ == "__main__":
    sys.exit(main())
