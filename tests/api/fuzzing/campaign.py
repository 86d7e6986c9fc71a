"""Schemathesis in processes of its own, one for each caller, with all of its checks."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from tests.api.fuzzing.world import Caller, World
from tests.support.running import ROOT

DOCUMENT: Final = "/api/v1/schema/openapi.json"
METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
PATIENCE_SECONDS: Final = 600.0
"""How much longer than its own limit a campaign may take."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how hard to try.

    `seconds` bounds each caller's campaign; without it, it ends when all is done. The bounds of every field are gone
    through by each caller when it is `thorough`, else by one of those whom an operation lets in.
    """

    seed: int
    examples: int
    seconds: int | None = None
    thorough: bool = False
    at_once: int = 2


class Outcome(msgspec.Struct, kw_only=True):
    """What came of one caller's campaign."""

    caller: str
    exit_code: int
    output: str
    answers: Counter[tuple[str, int]]
    """How often each operation answered with each status."""


async def document_of(url: str) -> dict[str, Any]:
    """The document as the running product serves it."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        document: dict[str, Any] = (await client.get(DOCUMENT)).raise_for_status().json()
    return document


def open_to(document: dict[str, Any], role: str | None) -> list[str]:
    """The operations which somebody of a role is let in to, or which look at who asks; a stranger has those of all."""
    found = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            needed = operation["security"]
            for_all = not needed or {} in needed
            if for_all if role is None else any(each.get("bearer") in ([], [role]) for each in needed):
                found.append(f"{method.upper()} {path}")
    return found


async def fuzz(world: World, folder: Path, effort: Effort) -> list[Outcome]:
    """Try everything as everybody; some campaigns run at the same time."""
    told = folder / "world.json"
    told.write_bytes(msgspec.json.encode(world))
    document = await document_of(world.url)
    slots = asyncio.Semaphore(effort.at_once)

    first: dict[str, str] = {}
    for caller in world.callers.values():
        for operation in open_to(document, caller.role):
            if operation not in first or operation in caller.special:
                first[operation] = caller.name

    async def one(caller: Caller) -> Outcome:
        operations = open_to(document, caller.role)
        later = [] if effort.thorough else [each for each in operations if first[each] != caller.name]
        async with slots:
            return await _campaign(caller, operations, later, world, told, effort)

    return await asyncio.gather(*(one(caller) for caller in world.callers.values()))


async def _campaign(
    caller: Caller, operations: Iterable[str], later: list[str], world: World, told: Path, effort: Effort
) -> Outcome:
    configuration = told.with_name(f"{caller.name}.toml")
    configuration.write_text(_configuration(caller, later, told.parent, effort))
    seen = told.with_name(f"{caller.name}-seen.json")
    limit = [] if effort.seconds is None else ["--max-time", str(effort.seconds)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run", world.url + DOCUMENT,
        "--url", world.url, "--checks", "all", "--no-color", *limit,
        *(part for name in operations for part in ("--include-name", name)),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FUZZ_WORLD": str(told),
            "FUZZ_CALLER": caller.name,
            "FUZZ_SEEN": str(seen),
        },
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout((effort.seconds or 0) * 2 + PATIENCE_SECONDS):
            output, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    answers: Counter[tuple[str, int]] = Counter()
    for label, status, count in msgspec.json.decode(seen.read_bytes()) if seen.exists() else ():
        answers[label, status] += count
    return Outcome(
        caller=caller.name,
        exit_code=process.returncode,
        output=output.decode(errors="replace"),
        answers=answers,
    )


def _configuration(caller: Caller, later: list[str], folder: Path, effort: Effort) -> str:
    """In TOML, whose strings are those of JSON; `later` are operations whose bounds somebody else goes through."""
    lines = [
        f"seed = {effort.seed}",
        "workers = 1",
        "continue-on-failure = true",
        "request-timeout = 30",
        'hooks = "tests.api.fuzzing.hooks"',
        "[generation]",
        'database = "none"',
        f"max-examples = {effort.examples}",
        "[phases.coverage]",
        "generate-duplicate-query-parameters = true",
        "[cache]",
        "enabled = false",
        "[warnings]",
        "enabled = false",
    ]
    if caller.token is not None:
        people = folder / f"{caller.name}-people.json"
        peers = [caller.name] + ([caller.peer] if caller.peer is not None else [])
        tokens = dict(zip(peers, (caller.token, caller.peer_token), strict=False))
        people.write_bytes(
            msgspec.json.encode(
                {
                    "auth": [
                        {
                            "name": name,
                            "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}],
                        }
                        for name, token in tokens.items()
                    ]
                }
            )
        )
        lines += ["[auth.wfc]", f"path = {_text(str(people))}", f"user = {_text(caller.name)}"]
        if caller.peer is not None:
            lines.append(f"peers = [{', '.join(map(_text, peers))}]")
    if later:
        lines += ["[[operations]]", f"include-name = [{', '.join(map(_text, later))}]"]
        lines.append("phases.coverage.enabled = false")
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return msgspec.json.encode(text).decode()
