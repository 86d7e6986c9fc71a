"""The keys that seal personal data: look, and move everything to a new ENCRYPTION_KEY (requirements ES-17, SEC-17)."""

import sys

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.environment import machinery
from api.cli.output import (
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    count,
    expecting_failures,
    json_option,
    print_json,
    print_table,
)
from infrastructure.event_store.rotation import Rotated, Sealed, rotate, sealed_by_key


@click.group()
def keys() -> None:
    """Look after the keys by which personal data is sealed.

    Each person's data is sealed by a key of theirs, and those by ENCRYPTION_KEY. To replace that one without closing the shop:
    put the new key into ENCRYPTION_KEYS_PREVIOUS of every process and restart them; make it ENCRYPTION_KEY, and the old one
    a previous key, and restart them again; `daftar keys rotate`; then take the old key away.
    """


@keys.command()
@json_option
@expecting_failures
def status(*, as_json: bool) -> None:
    """Show how much is sealed by which key of the house.

    \b
    Example:
      daftar keys status
    """
    tools = machinery()
    with tools.connect(name="daftar-keys") as connection:
        found = sealed_by_key(connection, tools.wrapper)
    if as_json:
        print_json(found)
        return
    print_table(
        ("KEY", "PEOPLE", "KEPT ANSWERS", "STATE"),
        [(each.key_id, count(each.data_keys), count(each.answers), _state(each)) for each in found],
        right=frozenset((1, 2)),
    )


@keys.command("rotate")
@json_option
@expecting_failures
def rotate_keys(*, as_json: bool) -> None:
    """Seal by the current ENCRYPTION_KEY whatever a previous one has sealed, while the shop is open.

    Ctrl-C is safe, and so is doing it again; it goes on until nothing is left. What no key of the settings opens is left as it is,
    and the exit code is 1.

    \b
    Example:
      daftar keys rotate
    """
    tools = machinery()
    done = Rotated()
    try:
        with (
            tools.connect(name="daftar-keys") as connection,
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                disable=as_json or not sys.stderr.isatty(),
            ) as progress,
        ):
            waiting = sum(
                each.data_keys + each.answers
                for each in sealed_by_key(connection, tools.wrapper)
                if not each.current
            )
            task = progress.add_task("sealed anew", total=waiting)
            while True:
                passed = rotate(
                    connection, tools.wrapper, on_progress=lambda more: progress.advance(task, more)
                )
                done = Rotated(
                    data_keys=done.data_keys + passed.data_keys,
                    answers=done.answers + passed.answers,
                    left=passed.left,
                )
                if not passed.data_keys and not passed.answers:
                    break
    except KeyboardInterrupt:
        click.echo("\nInterrupted: what was done is done; begin again to go on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if as_json:
        print_json(done)
    else:
        click.echo(
            f"Sealed anew: the data keys of {count(done.data_keys)} people, {count(done.answers)} kept answers."
        )
        if done.left:
            click.echo(
                f"{count(done.left)} are sealed by a key that is not in ENCRYPTION_KEYS_PREVIOUS.", err=True
            )
    if done.left:
        sys.exit(EXIT_REFUSED)


def _state(sealed: Sealed) -> str:
    if sealed.current:
        return "current"
    return "previous: rotate" if sealed.known else "unknown: find it"
