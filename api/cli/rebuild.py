"""Throw read models away and make them again from the log, while the old ones serve (requirements ES-08)."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
import msgspec
from psycopg import errors
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from api.cli.environment import machinery, stop
from api.cli.output import (
    EXIT_INTERRUPTED,
    count,
    expecting_failures,
    json_option,
    print_json,
)
from infrastructure.bootstrap import PROJECTIONS, Machinery
from projections.shared.projection import Projection
from projections.shared.rebuild import RebuildProgress, RebuildRunning
from projections.shared.rebuild import rebuild as rebuild_one

SECONDS_BETWEEN_LINES = 1.0

LOCK_SECONDS = 60
"""How long a migration, or somebody else's rebuild of another read model, is waited for."""

Show = Callable[[RebuildProgress], None]


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """One read model was made again from `events` events, and serves as `generation`; `rate` is events a second."""

    name: str
    generation: int
    events: int
    seconds: float
    rate: float


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Every read model, one after the other.")
@json_option
@expecting_failures
def rebuild(names: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    """Rebuild read models from the first event on, beside the ones that serve, then let the new ones take over.

    The shop stays open. Ctrl-C is safe: the old read model goes on serving, and the next rebuild begins anew. No mail
    is sent again and no money moves: only what is shown is made anew.

    \b
    Example:
      daftar rebuild --all
      daftar rebuild catalogue
    """
    chosen = _chosen(names, everything=everything)
    tools = machinery()
    at: RebuildProgress | None = None
    current = ""
    rebuilt: list[Rebuilt] = []

    def kept(show: Show) -> Show:
        def keep(progress: RebuildProgress) -> None:
            nonlocal at
            at = progress
            show(progress)

        return keep

    try:
        for projection in chosen:
            current, at = projection.name, None
            with _shown(projection.name, quiet=as_json) as show:
                rebuilt.append(_rebuild(tools, projection, kept(show)))
    except RebuildRunning as running:
        stop(str(running))
    except errors.LockNotAvailable:
        stop(f"Somebody holds on to {current} too long; the old one goes on serving. Try again later.")
    except KeyboardInterrupt:
        place = "" if at is None else f" at {count(at.position)} of {count(at.head)} events"
        click.echo(f"\nInterrupted{place}: the old {current} goes on serving.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    finally:
        if as_json:
            print_json(rebuilt)


def _chosen(names: Sequence[str], *, everything: bool) -> list[Projection]:
    known = {projection.name: projection for projection in PROJECTIONS}
    listing = f"There are: {', '.join(sorted(known))}."
    if everything and names:
        raise click.UsageError("Give names or --all, not both.")
    if everything:
        return [known[name] for name in sorted(known)]
    if not names:
        raise click.UsageError(f"Which read model? Give a name, or --all. {listing}")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"There is no read model {', '.join(unknown)}. {listing}")
    return [known[name] for name in dict.fromkeys(names)]


def _rebuild(tools: Machinery, projection: Projection, report: Show) -> Rebuilt:
    history = tools.open_log(name="daftar-rebuild")
    try:
        with tools.connect(name="daftar-rebuild") as connection:
            connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            done = rebuild_one(connection, projection, history, report=report)
    finally:
        history.close()
    return Rebuilt(
        name=done.name,
        generation=done.generation,
        events=done.position,
        seconds=round(done.seconds, 3),
        rate=round(done.rate, 1),
    )


# --- showing -----------------------------------------------------------------------------------------------


@contextmanager
def _shown(name: str, *, quiet: bool) -> Iterator[Show]:
    """How the progress of one rebuild is shown: as a bar to people, as lines to files, not at all beside JSON."""
    console = Console(stderr=quiet)
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with _bar(console, name) as show:
            yield show
    else:
        yield _Lines()


@contextmanager
def _bar(console: Console, name: str) -> Iterator[Show]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} events/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task: TaskID = progress.add_task(name, total=None, rate="-")

        def show(at: RebuildProgress) -> None:
            # An empty log is done, too.
            total = max(at.head, 1)
            progress.update(
                task,
                total=total,
                completed=total if at.done else at.position,
                rate=f"{at.rate:,.0f}",
            )

        yield show


class _Lines:
    """At most a line a second, and one at the end."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, at: RebuildProgress) -> None:
        if at.done:
            click.echo(
                f"{at.name}: rebuilt as generation {at.generation} from {count(at.position)} events "
                f"in {at.seconds:.1f} s ({at.rate:,.0f} events/s)"
            )
            return
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            click.echo(
                f"{at.name}: {count(at.position)} of {count(at.head)} events, {at.rate:,.0f} events/s, "
                f"{at.seconds_left:.0f} s left"
            )
