"""Whoever follows the README word by word arrives."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.journeys.readme import Block, PageBroken, blocks_of, missing_lines, try_all
from tests.journeys.serving import Serving
from tests.support.running import ROOT

README = ROOT / "README.md"
URL = "http://127.0.0.1:3000"
"""Where the README's reader has the shop."""

SECONDS = 120.0


class TestReadingThePage:
    def test_only_shell_blocks_are_typed_and_each_knows_its_line(self) -> None:
        page = "# A\n\n```sh\none\n```\n\n```json\n{}\n```\n\n~~~sh\ntwo\n# said\nthree\n~~~\n"
        assert blocks_of(page) == [
            Block(line=4, commands="one"),
            Block(line=12, commands="two\n# said\nthree"),
        ]

    def test_the_text_below_a_block_is_what_it_shows(self) -> None:
        page = "```sh\none\n```\nprints\n```text\n1 ...\n```\n```text\nnot its own\n```\n"
        assert blocks_of(page) == [Block(line=2, commands="one", expected="1 ...")]

    def test_text_under_another_heading_is_not_what_a_block_shows(self) -> None:
        assert blocks_of("```sh\none\n```\n## Next\n```text\na drawing\n```\n")[0].expected is None

    def test_a_longer_fence_holds_a_shorter_one(self) -> None:
        [block] = blocks_of("````sh\ncat <<X\n```\nX\n````\n")
        assert block.commands == "cat <<X\n```\nX"

    def test_a_block_without_an_end_is_an_error(self) -> None:
        with pytest.raises(PageBroken, match="line 1"):
            blocks_of("```sh\none\n")

    def test_a_block_that_starts_the_shop_is_known_unless_it_does_more(self) -> None:
        for commands in (
            "make run",
            "git clone x\ncd x\nmake run",
            "make test\nmake bench",
            "# now\nmake test",
        ):
            assert Block(line=1, commands=commands).only_starts, commands
        for commands in ("make run\ncurl x", "make help", "cd x", "echo make run", ""):
            assert not Block(line=1, commands=commands).only_starts, commands

    def test_dots_stand_for_anything_and_every_other_line_must_appear(self) -> None:
        shown = "  Order ORD-20260501-00001 is placed\nsecond\n"
        assert missing_lines("...\nOrder ORD-... is placed\n...", shown) == []
        assert missing_lines("Order ... is paid\nsecond\nsec", shown) == ["Order ... is paid", "sec"]


class TestTypingIt:
    async def _complaints(self, page: str, folder: Path) -> list[str | None]:
        environment = {"PATH": os.environ["PATH"]}
        tried = await try_all(blocks_of(page), folder=folder, environment=environment, seconds=10)
        return [each.complaint() for each in tried]

    async def test_what_a_block_sets_the_next_one_knows(self, tmp_path: Path) -> None:
        page = "```sh\nx=$(echo 7)\n```\n```sh\necho $x; pwd\n```\n```text\n7\n" + f"{tmp_path}\n```\n"
        assert await self._complaints(page, tmp_path) == [None, None]

    @pytest.mark.parametrize(
        "failing", ["false", "exit 3", "false | cat", "x=$(false)", "no-such-command-here"]
    )
    async def test_a_command_that_fails_is_told_and_nothing_after_it_is_taken_for_done(
        self, failing: str, tmp_path: Path
    ) -> None:
        page = f"```sh\ntrue\n```\n```sh\n{failing}\necho on\n```\n```sh\ntrue\n```\n"
        first, second, third = await self._complaints(page, tmp_path)
        assert first is None
        assert second is not None
        assert "line 5" in second
        assert "on\n" not in second.partition("ended with")[2]
        assert third is not None
        assert "not reached" in third

    async def test_a_block_that_shows_something_else_is_told(self, tmp_path: Path) -> None:
        [complaint] = await self._complaints("```sh\necho 1\n```\n```text\n2\n```\n", tmp_path)
        assert complaint is not None
        assert "does not show" in complaint

    async def test_a_block_that_never_ends_is_ended(self, tmp_path: Path) -> None:
        with pytest.raises(TimeoutError):
            await try_all(
                blocks_of("```sh\nsleep 60\n```\n"), folder=tmp_path, environment=os.environ, seconds=0.5
            )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that is not there yet."""
    with tempfile.TemporaryDirectory(prefix="daftar-readme-") as parent:
        yield Path(parent) / "data"
        shutil.rmtree(Path(parent) / "data", ignore_errors=True)


@pytest.fixture
async def shop(folder: Path) -> AsyncIterator[Serving]:
    """What `make run` starts, on a free port and with a data folder of its own."""
    async with Serving(folder, "--demo") as serving:
        yield serving


def test_the_readme_shows_something_to_try_and_what_one_will_see() -> None:
    blocks = [block for block in blocks_of(README.read_text(encoding="utf-8")) if not block.only_starts]
    assert blocks != []
    assert any(block.expected for block in blocks)


def test_what_waits_for_something_waits_in_every_shell() -> None:
    # These tests stop at a pipe that fails anywhere; a newcomer's shell looks at its last command only.
    page = README.read_text(encoding="utf-8")
    waiting = [line for line in page.splitlines() if line.startswith("until ")]
    assert waiting != []
    for line in waiting:
        condition = line.partition(";")[0]
        assert condition.rpartition("|")[2].split()[0] not in {"head", "tail", "sort", "sed", "tr"}, line


@pytest.mark.services
@pytest.mark.slow
async def test_every_command_of_the_readme_does_what_it_says(shop: Serving) -> None:
    page = README.read_text(encoding="utf-8")
    blocks = [block for block in blocks_of(page.replace(URL, shop.url)) if not block.only_starts]
    assert blocks, "the README shows nothing to type"
    tried = await try_all(blocks, folder=ROOT, environment=shop.environment, seconds=SECONDS)
    assert len(tried) == len(blocks)
    complaints = [complaint for each in tried if (complaint := each.complaint()) is not None]
    assert not complaints, "\n\n".join(complaints)
