"""What a page in Markdown tells to type, and what it says that one will see: taken out of the page, and tried."""

import asyncio
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

FENCE = re.compile(r"(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})[ \t]*(?P<language>[^\s`]*)[^`]*")
HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
STARTS = re.compile(r"make (run|test|check|bench)\b")
PREPARES = re.compile(r"(git clone|cd) ")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Commands that stand together; `line` is that of the page on which they begin.

    `expected` is what the page shows below them, or None: a ```text block before the next block and the next heading.
    """

    line: int
    commands: str
    expected: str | None = None

    @property
    def lines(self) -> list[str]:
        """The commands without empty lines and comments."""
        return [line for line in self.commands.splitlines() if line.strip() and not line.startswith("#")]

    @property
    def only_starts(self) -> bool:
        """Whether it only starts the shop, the tests or the measurements, which the tests have done or are."""
        return any(STARTS.match(line) for line in self.lines) and all(
            STARTS.match(line) or PREPARES.match(line) for line in self.lines
        )


class PageBroken(AssertionError):
    """The page cannot be read as it is."""


def blocks_of(page: str) -> list[Block]:
    """Every ```sh block of a page, in order.

    Raises:
        PageBroken: a block has no end.
    """
    found: list[Block] = []
    waiting: Block | None = None  # for a ```text block below it
    lines = iter(enumerate(page.splitlines(), start=1))
    for number, line in lines:
        if HEADING.match(line):
            waiting = None
        opening = FENCE.fullmatch(line)
        if opening is None:
            continue
        inside: list[str] = []
        for _, inner in lines:
            if re.fullmatch(rf" {{0,3}}{opening['ticks'][0]}{{{len(opening['ticks'])},}}[ \t]*", inner):
                break
            inside.append(inner.removeprefix(opening["indent"]))
        else:
            raise PageBroken(f"The block of line {number} has no end.")
        content = "\n".join(inside)
        if opening["language"] == "sh":
            waiting = Block(line=number + 1, commands=content)
            found.append(waiting)
        else:
            if opening["language"] == "text" and waiting is not None:
                found[-1] = msgspec.structs.replace(waiting, expected=content)
            waiting = None
    return found


def missing_lines(expected: str, output: str) -> list[str]:
    """The expected lines that the output lacks. `...` stands for anything, spaces at either end for nothing."""
    shown = [line.strip() for line in output.splitlines()]
    lacking = []
    for line in expected.splitlines():
        parts = line.strip().split("...")
        if not any(parts):
            continue
        pattern = re.compile(".*".join(map(re.escape, parts)))
        if not any(pattern.fullmatch(candidate) for candidate in shown):
            lacking.append(line)
    return lacking


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one block. `code` is that of the command that failed, or 0; None when it was not reached."""

    block: Block
    code: int | None
    output: str

    def complaint(self) -> str | None:
        """What is wrong, with the place in the page."""
        where = f"line {self.block.line}:\n{self.block.commands}\n"
        if self.code is None:
            return f"{where}was not reached"
        if self.code:
            return f"{where}ended with {self.code}:\n{self.output}"
        lacking = missing_lines(self.block.expected or "", self.output)
        if lacking:
            return f"{where}does not show\n" + "\n".join(lacking) + f"\nbut\n{self.output}"
        return None


async def try_all(
    blocks: Sequence[Block], *, folder: Path, environment: Mapping[str, str], seconds: float
) -> list[Tried]:
    """Type the blocks one after the other into one shell, which ends at the first command that fails.

    Raises:
        TimeoutError: they take longer than `seconds` together.
    """
    mark = f"--- {secrets.token_hex(16)} "
    script = ["set -eE -o pipefail", f"trap 'printf \"\\n{mark}%s\\n\" $?' EXIT"]
    for block in blocks:
        script += [f"printf '\\n{mark}next\\n'", block.commands]
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", "\n".join(script),
        cwd=folder, env=dict(environment), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
        raise
    if process.returncode and mark not in printed.decode(errors="replace"):
        # The shell could not even read it.
        return [Tried(block=each, code=process.returncode, output=printed.decode()) for each in blocks]
    _, *outputs = printed.decode(errors="replace").split(f"\n{mark}next\n")
    tried = []
    for block, output in zip(blocks, outputs, strict=False):
        said, ended, code = output.partition(f"\n{mark}")
        tried.append(Tried(block=block, code=int(code) if ended else 0, output=said))
    tried += [Tried(block=block, code=None, output="") for block in blocks[len(outputs) :]]
    return tried
