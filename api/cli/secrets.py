"""Fresh secrets in the right forms (requirements CFG-06)."""

import click

from api.cli.output import json_option, print_json
from infrastructure.security.secrets import fresh_secrets


@click.group()
def secrets() -> None:
    """Make secrets for a new installation."""


@secrets.command()
@json_option
def generate(*, as_json: bool) -> None:
    """Print a fresh random value for every secret that the shop chooses itself, as lines of an .env file.

    They are stored nowhere. On a shop that runs already, replace secrets one by one and with care: a new
    ENCRYPTION_KEY needs the old one in ENCRYPTION_KEYS_PREVIOUS, a new PASSWORD_PEPPER makes every password unusable.

    \b
    Example:
      (umask 077; daftar secrets generate > .env)
    """
    fresh = fresh_secrets()
    if as_json:
        print_json(fresh)
        return
    for name, value in fresh.items():
        click.echo(f"{name}={value}")
