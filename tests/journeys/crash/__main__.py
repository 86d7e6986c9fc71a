"""The command line of the crash rounds."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from infrastructure.logging import configure_logging
from infrastructure.settings import LogFormat, LogLevel
from tests.journeys.crash.book import PromiseBroken
from tests.journeys.crash.plan import VICTIMS, plan
from tests.journeys.crash.rounds import HEAD, Rounds


def main() -> int:
    """Run the rounds; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="chooses victims, moments and what people do")
    parser.add_argument("--workers", type=int, default=2, help="API processes")
    parser.add_argument("--victims", default=",".join(VICTIMS), help=f"comma list of {', '.join(VICTIMS)}")
    parser.add_argument("--log", type=Path, help="a file that gets what is printed, too")
    parser.add_argument(
        "--folder", type=Path, help="where the data goes and stays; default: a temporary folder"
    )
    arguments = parser.parse_args()
    victims = arguments.victims.split(",")
    if unknown := set(victims) - set(VICTIMS):
        parser.error(f"nobody is called {', '.join(sorted(unknown))}")
    blows = plan(seed=arguments.seed, rounds=arguments.rounds, victims=victims, workers=arguments.workers)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="daftar-crash-"))
    folder.mkdir(parents=True, exist_ok=True)
    configure_logging(LogLevel.ERROR, LogFormat.CONSOLE, stream=sys.stderr)

    def tell(line: str) -> None:
        print(line, flush=True)
        if arguments.log is not None:
            with arguments.log.open("a") as log:
                log.write(f"{line}\n")

    async def play() -> None:
        async with Rounds(folder, seed=arguments.seed, workers=arguments.workers) as rounds:
            tell(HEAD)
            for blow in blows:
                tell(str(await rounds.play(blow)))
            await rounds.prove_everything()
            tell(rounds.summary())

    try:
        asyncio.run(play())
    except PromiseBroken as broken:
        tell(f"BROKEN: {broken}")
        tell(f"Everything is left in {folder}.")
        return 1
    if arguments.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
