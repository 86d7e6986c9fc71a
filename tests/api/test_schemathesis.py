"""Nothing that the served document allows is refused, nothing that it forbids is taken, and nothing breaks."""

from pathlib import Path

import pytest

from infrastructure.embedded.services import ServiceUrls
from tests.api.fuzzing.campaign import Effort, Outcome, document_of, fuzz, open_to
from tests.api.fuzzing.world import environment_for, mailbox_of, populate
from tests.journeys.shop import open_shop
from tests.support.running import running

pytestmark = [pytest.mark.services, pytest.mark.slow]

EFFORT = Effort(seed=1, examples=4)


async def test_what_the_document_says_is_what_happens(
    urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    house = tmp_path / "house"
    async with running(environment_for(urls, database_url, house), tmp_path) as daftar:
        async with open_shop(daftar) as shop:
            world = await populate(shop, mailbox_of(urls, house))
            await shop.caught_up()
        outcomes = await fuzz(world, tmp_path, EFFORT)
        document = await document_of(daftar.url)

    for outcome in outcomes:
        assert outcome.exit_code == 0, f"as {outcome.caller}:\n{outcome.output}"
    everything = {each for caller in world.callers.values() for each in open_to(document, caller.role)}
    assert len(everything) == sum(len(item) for item in document["paths"].values())
    # What opens by an upgrade only is tried in tests/api/realtime.
    sockets = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "101" in operation["responses"]
    }
    assert everything - succeeded(outcomes) == sockets, "these were never seen to succeed, or should not"
    assert stack_traces(tmp_path) == []


def stack_traces(folder: Path) -> list[str]:
    """Log lines with one: nothing that a client sends is worth that."""
    return [
        line
        for log in folder.glob("*.log")
        for line in log.read_text(errors="replace").splitlines()
        if "Traceback" in line
    ]


def succeeded(outcomes: list[Outcome]) -> set[str]:
    """The operations that did what was asked for somebody, at least once."""
    return {label for each in outcomes for label, status in each.answers if 200 <= status < 300}
