"""`daftar`: one script, with the roles and the tools as its subcommands (design §10)."""

import click

from api.cli import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="daftar", prog_name="daftar")
def daftar() -> None:
    """An event-sourced marketplace backend."""


daftar.add_command(serve.serve)
daftar.add_command(serve.role)
daftar.add_command(serve.migrate)


def main() -> None:
    """Run the command line."""
    daftar(prog_name="daftar")


if __name__ == "__main__":
    main()
