"""The first administrator (requirements ACC-30)."""

import asyncio
import sys

import click

from api.assembly import open_services
from api.cli.output import expecting_failures, json_option, open_tools_to_write, print_json
from application.accounts.results import SuperAdmin
from infrastructure.bootstrap import Machinery

LONGEST_PASSWORD_LINE = 4_096


@click.group()
def admin() -> None:
    """Look after administrators."""


@admin.command()
@click.argument("email")
@click.option("--name", default="Super admin", show_default=True, help="How the administrator is called.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
@click.option(
    "--super",
    "as_super",
    is_flag=True,
    help="Make a super admin. It may be left out: that is the only kind that is made here.",
)
@json_option
@expecting_failures
def create(email: str, *, name: str, password_stdin: bool, as_super: bool, as_json: bool) -> None:
    """Make a super admin with this EMAIL, unless there is one already; one that is there stays as it is.

    The password is asked for without showing it, or read from standard input; it never stands on the command line.

    \b
    Example:
      daftar admin create owner@example.com
      pass show shop/owner | daftar admin create owner@example.com --password-stdin
    """
    _ = as_super  # There is no other kind; see the help of the option.
    password = _read_password(from_stdin=password_stdin)
    made = asyncio.run(_create(open_tools_to_write(), email, password, name))
    if as_json:
        print_json({"accountId": made.account_id, "created": made.created})
    elif made.created:
        click.echo(f"The super admin was made: account {made.account_id}.")
    else:
        click.echo(
            f"This super admin is there already and stays as it is, password included: account {made.account_id}."
        )


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.readline(LONGEST_PASSWORD_LINE)
        if not line:
            raise click.UsageError("--password-stdin was given, and standard input is empty.")
        return line.rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for a password; use --password-stdin.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


async def _create(tools: Machinery, email: str, password: str, name: str) -> SuperAdmin:
    async with open_services(tools) as services:
        done = await services.door.registration.bootstrap_super_admin(
            email=email, password=password, name=name
        )
    return done.result
