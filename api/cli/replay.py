"""The history of one stream, and how it stood at any moment of the past (requirements ES-10).

It changes nothing; that somebody looked is recorded first, and what cannot be recorded is not shown.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import click
import msgspec

from api.cli.environment import machinery, stop
from api.cli.output import count, expecting_failures, json_option, moment, print_json, printable
from application.audit.commands import RecordAuditReplay
from application.shared.caller import SYSTEM
from domain.audit.events import AuditQuery
from domain.shared.errors import NotFound
from domain.shared.reasons import ReasonInvalid
from infrastructure.bootstrap import Machinery
from infrastructure.replay import (
    HistoryEvent,
    NoName,
    NotBegun,
    Replay,
    Stream,
    UnknownKind,
    Until,
    always,
    until_moment,
    until_position,
    until_version,
)


class History(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A stream up to some moment; `state` is what its events had made of it by then."""

    stream_id: UUID
    kind: str
    version: int
    later_events: int
    events: list[HistoryEvent]
    state: dict[str, Any]


class AsOf(msgspec.Struct, frozen=True):
    """A moment of the past: whether an event had happened by then, and how it was asked for."""

    until: Until
    query: AuditQuery


NOW: Final = AsOf(always, AuditQuery())


class Moment(click.ParamType["AsOf"]):
    """A position of the log, a version of the stream, or a time."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AsOf:
        """The moment that is meant."""
        text = str(value).strip()
        if re.fullmatch(r"[0-9]{1,18}", text):
            return AsOf(until_position(int(text)), AuditQuery(position=int(text)))
        version = re.fullmatch(r"version:([0-9]{1,18})", text)
        if version is not None:
            return AsOf(until_version(int(version[1])), AuditQuery(version=int(version[1])))
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is no position (1234), no version (version:3) and no time (2026-05-01T12:00:00Z).",
                param,
                ctx,
            )
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return AsOf(until_moment(at), AuditQuery(at=at))


@click.command()
@click.argument("stream")
@click.option(
    "--at",
    "as_of",
    type=Moment(),
    metavar="MOMENT",
    help="Up to a position (1234), a version (version:3) or a time (2026-05-01T12:00:00Z; UTC unless said).",
)
@click.option(
    "--with-personal/--masked",
    "with_personal",
    default=False,
    help="Show personal data; masked by default. What was erased stays erased.",
)
@click.option(
    "--reason",
    help="Why you look, for those who read `daftar replay admin_audit/command-line`. It names a case, not people.",
)
@json_option
@expecting_failures
def replay(
    stream: str, as_of: AsOf | None, *, with_personal: bool, reason: str | None, as_json: bool
) -> None:
    """Show the history of one STREAM and its state as of then.

    It changes nothing but that the look itself is recorded before anything is shown.

    STREAM is KIND/ID, an id alone, or an order's number. A cart, and what an admin looked at (admin_audit), is named by its
    account's id (or command-line), stock by its listing's, a seller's ledger by account and currency (seller_ledger/ID:usd).

    \b
    Example:
      daftar replay ORD-20260501-00042
      daftar replay order/0190a6f0-3c51-7bb5-8f4c-2f4f7f7b0c11 --at version:2
      daftar replay stock/0190a6f0-3c51-7bb5-8f4c-2f4f7f7b0c12 --at 2026-05-01T12:00:00Z --json
    """
    tools = machinery()
    history = tools.open_log(name="daftar-replay")
    try:
        replay = Replay(history, tools.names, with_personal=with_personal)
        found = _find(replay, stream)
        as_of = as_of or NOW
        look = RecordAuditReplay(
            target_type=found.kind.name,
            target_id=found.stream_id,
            query=msgspec.structs.replace(as_of.query, with_personal=with_personal),
            reason=reason,
        )
        asyncio.run(_record(tools, look))
        shown = _replay(replay, found, as_of.until)
    finally:
        history.close()
    if as_json:
        print_json(shown)
    else:
        _show(shown)


def _find(log: Replay, name: str) -> Stream:
    try:
        return log.named(name)
    except (UnknownKind, NoName) as error:
        raise click.UsageError(printable(error.message)) from error
    except NotFound as error:
        stop(printable(error.message))


async def _record(tools: Machinery, look: RecordAuditReplay) -> None:
    async with tools.open_pool(name="daftar-replay") as pool, tools.open_commands(pool) as (commands, _):
        try:
            await commands.submit(look, SYSTEM)
        except ReasonInvalid as error:
            raise click.UsageError(error.message) from error


def _replay(log: Replay, stream: Stream, until: Until) -> History:
    events = log.events_until(stream, until)
    try:
        standing = log.standing(stream, until)
    except NotBegun:
        stop(
            f"{stream.kind.name}/{stream.stream_id} had not begun by then: its first event is of {moment(stream.begun_at)}."
        )
    return History(
        stream_id=stream.stream_id,
        kind=stream.kind.name,
        version=standing.version,
        later_events=standing.later_events,
        events=events,
        state=standing.state,
    )


def _show(history: History) -> None:
    click.echo(f"{history.kind} {history.stream_id}, {count(len(history.events))} events\n")
    for event in history.events:
        by = "" if event.actor is None else f"  by {event.actor}"
        click.echo(
            printable(
                f"{event.version:>4}  {moment(event.recorded_at)}  at {event.position}  {event.name}{by}"
            )
        )
        _show_fields(event.data, indent=6)
    later = f" ({count(history.later_events)} later events left out)" if history.later_events else ""
    click.echo(f"\nState as of version {history.version}{later}:")
    _show_fields(history.state, indent=2)


def _show_fields(fields: Mapping[str, Any], *, indent: int) -> None:
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        click.echo(f"{'':{indent}}{name:<{width}}  {printable(_text(value))}")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
