"""Watch events as they are recorded."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from datetime import datetime
from typing import Final
from uuid import UUID

import click
import msgspec

from api.cli.environment import machinery
from api.cli.output import expecting_failures, json_option, moment, print_json, printable
from application.shared.command import StoreUnavailable
from domain.shared.events import Metadata
from infrastructure.event_store.names import EventNames
from infrastructure.event_store.tail import StoredEvent, Tail
from infrastructure.messaging.cloud_events import public_half
from infrastructure.replay import Actor

AT_ONCE: Final = 500
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0

_metadata = msgspec.json.Decoder(Metadata)


class TailedEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event as `tail` shows it: without personal data, for what is sealed stays sealed."""

    position: int
    recorded_at: datetime
    name: str
    stream_id: UUID
    version: int
    actor: Actor | None
    correlation_id: UUID | None
    data: msgspec.Raw


@click.command()
@click.option(
    "--from",
    "first",
    type=click.IntRange(1),
    metavar="POSITION",
    help="Begin with the event at this position.",
)
@click.option(
    "--last",
    type=click.IntRange(0, 1_000_000),
    default=10,
    show_default=True,
    help="Without --from: begin so many events before the end.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="EVENT",
    help="Only events of this type, as orders.OrderPlaced; may be given several times.",
)
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for more at the end.")
@json_option
@expecting_failures
def tail(first: int | None, last: int, types: tuple[str, ...], *, follow: bool, as_json: bool) -> None:
    """Print the events of the log, a line each, and wait for more until Ctrl-C.

    No event is left out and none comes twice, also when the database restarts meanwhile. Personal data are not shown.

    \b
    Example:
      daftar tail --type orders.OrderPlaced --type orders.OrderConfirmed
      daftar tail --from 1 --no-follow --json | jq .name
    """
    tools = machinery()
    wanted = _wanted(tools.names, types)
    asyncio.run(_tail(tools.database_url, first, last, wanted, follow=follow, as_json=as_json))


def _wanted(names: EventNames, types: Collection[str]) -> frozenset[str] | None:
    """All stored names, outdated ones too, of the types that were asked for; `None` for every type."""
    if not types:
        return None
    found: set[str] = set()
    for text in types:
        classes = names.called(text)
        if not classes:
            raise click.UsageError(_unknown_type(names, text))
        found.update(stored for event in classes for stored in names.all_names_of(event))
    return frozenset(found)


def _unknown_type(names: EventNames, text: str) -> str:
    known = sorted(name.rpartition(".v")[0] for name in names.classes)
    context, _, word = text.casefold().rpartition(".")
    close = [
        name
        for name in known
        if word in name.casefold() or (context and name.casefold().startswith(f"{context}."))
    ]
    return f"There is no event {printable(text)!r}. There are: {', '.join(close or known)}."


async def _tail(
    database_url: str,
    first: int | None,
    last: int,
    wanted: Collection[str] | None,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    async with aclosing(_events(database_url, first, last, follow=follow)) as events:
        async for stored in events:
            if wanted is None or stored.name in wanted:
                _show(stored, as_json=as_json)


async def _events(
    database_url: str, first: int | None, last: int, *, follow: bool
) -> AsyncGenerator[StoredEvent, None]:
    """Every event from the start that was chosen, over any number of connections.

    Raises:
        StoreUnavailable: the database cannot be reached in the first place; later it is waited for.
    """
    after: int | None = None
    failures = 0
    while True:
        try:
            async with Tail.open(database_url, name="daftar-tail") as reader:
                head = await reader.head()
                if after is None:
                    after = max(head - last, 0) if first is None else first - 1
                if failures:
                    click.echo("The database is back.", err=True)
                    failures = 0
                if not follow:
                    while after < head and (batch := await reader.read(after, min(AT_ONCE, head - after))):
                        for stored in batch:
                            yield stored
                        after = batch[-1].position
                    return
                async with aclosing(reader.follow(after, AT_ONCE)) as batches:  # type: ignore[type-var]
                    async for batch in batches:
                        for stored in batch:
                            yield stored
                            after = stored.position
        except StoreUnavailable:
            if after is None or not follow:
                raise
            if not failures:
                click.echo("The database is away; waiting for it.", err=True)
            await asyncio.sleep(min(FIRST_PAUSE_SECONDS * 2.0**failures, LONGEST_PAUSE_SECONDS))
            failures = min(failures + 1, 16)


def _show(stored: StoredEvent, *, as_json: bool) -> None:
    metadata = None if stored.metadata is None else _metadata.decode(stored.metadata)
    event = TailedEvent(
        position=stored.position,
        recorded_at=stored.recorded_at,
        name=stored.name,
        stream_id=stored.stream_id,
        version=stored.version,
        actor=None if metadata is None else Actor.of(metadata),
        correlation_id=None if metadata is None else metadata.correlation_id,
        data=msgspec.Raw(public_half(stored.state)),
    )
    if as_json:
        print_json(event)
        return
    by = "" if event.actor is None else f"  by {event.actor}"
    line = (
        f"{event.position:>8}  {moment(event.recorded_at)}  {event.name}  {event.stream_id}/{event.version}"
        f"{by}  {bytes(event.data).decode()}"
    )
    click.echo(printable(line))
