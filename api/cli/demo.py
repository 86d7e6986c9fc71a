"""Fill an empty marketplace with something to look at (requirements DEP-08)."""

import asyncio

import click
import msgspec

from api.cli.environment import stop
from api.cli.output import count, expecting_failures, json_option, open_tools_to_write, print_json
from api.cli.seeding import DemoRefused, seed_demo, what_to_try


@click.command()
@json_option
@expecting_failures
def demo(*, as_json: bool) -> None:
    """Fill an empty marketplace: a super admin, two sellers, a customer, 40 listings, a few orders.

    Run again, it adds what is missing, mostly nothing; a shop with goods of its own is left alone, and production
    refuses: everybody knows the demo's passwords.

    \b
    Example:
      daftar serve          (in one terminal)
      daftar demo           (in another, in the same folder)
    """
    tools = open_tools_to_write()
    try:
        seeded = asyncio.run(seed_demo(tools))
    except DemoRefused as refusal:
        stop(str(refusal))
    if as_json:
        print_json(msgspec.structs.asdict(seeded))
        return
    if seeded.anything:
        click.echo(
            f"Added {count(seeded.accounts)} accounts, {count(seeded.categories)} categories, "
            f"{count(seeded.listings)} listings and {count(seeded.orders)} orders.\n"
        )
        click.echo(what_to_try(tools.settings, with_demo=True))
    else:
        click.echo("Nothing was added: the demo is there already, or the shop has goods of its own.")
