"""`daftar`: one script, with the roles and the tools as its subcommands (design §10)."""

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "serve": "api.cli.serve:serve",
    "role": "api.cli.serve:role",
    "migrate": "api.cli.serve:migrate",
    "demo": "api.cli.demo:demo",
    "admin": "api.cli.admin:admin",
    "projections": "api.cli.projections:projections",
    "rebuild": "api.cli.rebuild:rebuild",
    "replay": "api.cli.replay:replay",
    "tail": "api.cli.tail:tail",
    "doctor": "api.cli.doctor:doctor",
    "dead-letters": "api.cli.dead_letters:dead_letters",
    "secrets": "api.cli.secrets:secrets",
    "keys": "api.cli.keys:keys",
}
"""Where each subcommand is, in the order of the help. It is imported when it is wanted: a tool answers sooner so."""


class LazyGroup(click.Group):
    """Subcommands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As the help lists them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of a name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="daftar", prog_name="daftar")
def daftar() -> None:
    """An event-sourced marketplace backend.

    Tools end with 0 when all is well, 1 when something was refused or found wrong, 2 when they were called wrongly, 78
    when the settings cannot be used.
    """


def main() -> None:
    """Run the command line."""
    daftar(prog_name="daftar")


if __name__ == "__main__":
    main()
