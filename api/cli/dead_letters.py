"""Look at what no workflow could handle, and send it back (requirements ES-12)."""

import asyncio
from collections.abc import Sequence

import click

from api.cli.environment import EXIT_SETTINGS, machinery, stop
from api.cli.output import expecting_failures, json_option, moment, print_json, print_table
from infrastructure.messaging.dead_letters import DeadLetter, open_dead_letters


@click.group("dead-letters")
def dead_letters() -> None:
    """Events that a workflow gave up on: mails that were not sent, earnings that were not booked."""


@dead_letters.command("list")
@click.option("--consumer", help="Only those of one workflow.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many at most."
)
@json_option
@expecting_failures
def list_letters(consumer: str | None, limit: int, *, as_json: bool) -> None:
    """List dead letters, the oldest first: number, workflow, event and why it failed.

    \b
    Example:
      daftar dead-letters list --consumer notifications
    """
    letters = asyncio.run(_list(_nats_url(), consumer, limit))
    if as_json:
        print_json(letters)
        return
    if not letters:
        click.echo("There are no dead letters.")
        return
    print_table(
        ("NUMBER", "FAILED", "WORKFLOW", "EVENT", "POSITION", "TRIES", "WHY"),
        [
            (
                str(letter.sequence),
                "-" if letter.failed_at is None else moment(letter.failed_at),
                letter.consumer,
                letter.event or "-",
                "-" if letter.position is None else str(letter.position),
                str(letter.deliveries),
                letter.reason,
            )
            for letter in letters
        ],
        right=frozenset((0, 4, 5)),
    )


@dead_letters.command()
@click.argument("numbers", nargs=-1, type=click.IntRange(1), metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="All there are now.")
@click.option("--consumer", help="With --all: only those of one workflow.")
@json_option
@expecting_failures
def retry(numbers: tuple[int, ...], consumer: str | None, *, everything: bool, as_json: bool) -> None:
    """Send dead letters back to their workflow, which tries each anew. Whatever had an effect has none again.

    \b
    Example:
      daftar dead-letters retry 3 4
      daftar dead-letters retry --all --consumer notifications
    """
    if everything == bool(numbers):
        raise click.UsageError("Give the numbers of dead letters, or --all.")
    if consumer is not None and not everything:
        raise click.UsageError("--consumer goes with --all.")
    count = asyncio.run(_retry(_nats_url(), numbers, consumer))
    if as_json:
        print_json({"sentBack": count})
    else:
        click.echo(f"{count} sent back.")


def _nats_url() -> str:
    url = machinery().settings.nats_url
    if url is None:
        stop("No NATS: set NATS_URL, or start Daftar in this folder with `daftar serve`.", code=EXIT_SETTINGS)
    return url.reveal()


async def _list(nats_url: str, consumer: str | None, limit: int) -> list[DeadLetter]:
    async with open_dead_letters(nats_url) as letters:
        return await letters.list(limit=limit, consumer=consumer)


async def _retry(nats_url: str, numbers: Sequence[int], consumer: str | None) -> int:
    async with open_dead_letters(nats_url) as letters:
        if not numbers:
            return await letters.retry_all(consumer=consumer)
        for number in numbers:
            await letters.retry(number)
        return len(numbers)
