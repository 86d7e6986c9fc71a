"""The command line as a whole: every command explains itself, and failures are sentences."""

import click
import pytest
from click.testing import CliRunner

from api.cli.main import COMMANDS, daftar
from api.cli.output import first_line, print_table, printable
from infrastructure.security.cipher import KeyWrapper
from infrastructure.security.secrets import Secret
from infrastructure.settings import Settings

NO_SERVERS = {"DATABASE_URL": "", "APP_ENV": "development"}


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command that does something."""
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        found += leaves(below, (*path, name))
    return found


TOOLS = [path for path in leaves(daftar) if path[0] not in {"serve", "role", "migrate"}]


class TestHelp:
    @pytest.mark.parametrize("path", TOOLS, ids=" ".join)
    def test_every_tool_says_what_it_does_and_gives_an_example(self, path: tuple[str, ...]) -> None:
        shown = CliRunner().invoke(daftar, [*path, "--help"], prog_name="daftar")
        assert shown.exit_code == 0
        assert "Example:" in shown.stdout
        assert f"daftar {' '.join(path)}" in shown.stdout
        assert "--json" in shown.stdout

    def test_the_program_lists_its_commands(self) -> None:
        shown = CliRunner().invoke(daftar, ["--help"], prog_name="daftar")
        assert all(f"  {name} " in shown.stdout for name in COMMANDS)

    def test_an_unknown_command_is_a_usage_error(self) -> None:
        assert CliRunner().invoke(daftar, ["rebuilt"], prog_name="daftar").exit_code == 2


class TestSettings:
    def test_without_a_database_a_tool_says_what_to_set(self, tmp_path: object) -> None:
        refused = CliRunner().invoke(
            daftar, ["projections"], env={**NO_SERVERS, "DAFTAR_DATA_DIR": str(tmp_path)}
        )
        assert refused.exit_code == 78
        assert "DATABASE_URL" in refused.stderr

    def test_settings_that_cannot_be_used_are_listed_without_values(self) -> None:
        refused = CliRunner().invoke(daftar, ["doctor"], env={"DATABASE_URL": "hidden-word"})
        assert refused.exit_code == 78
        assert "DATABASE_URL" in refused.stderr
        assert "hidden-word" not in refused.output

    def test_dead_letters_need_a_broker(self) -> None:
        environment = {"DATABASE_URL": "postgresql://a@127.0.0.1:1/a", "NATS_URL": ""}
        refused = CliRunner().invoke(daftar, ["dead-letters", "list"], env=environment)
        assert refused.exit_code == 78
        assert "NATS_URL" in refused.stderr


class TestSecrets:
    def test_they_are_fresh_and_can_be_used_as_they_are(self) -> None:
        first, second = (
            dict(
                line.split("=") for line in CliRunner().invoke(daftar, ["secrets", "generate"]).stdout.split()
            )
            for _ in range(2)
        )
        assert first.keys() == second.keys()
        assert not set(first.values()) & set(second.values())
        settings = Settings.from_environment(first)
        assert not any(name in warning for name in first for warning in map(str, settings.warnings))
        KeyWrapper(Secret(first["ENCRYPTION_KEY"]), ())


class TestOutput:
    def test_nothing_that_is_shown_commands_the_terminal(self) -> None:
        assert printable("a\x1b[2J\x9b\u202eб") == "a\\x1b[2J\\x9b\\u202eб"

    def test_an_error_shows_no_credentials(self) -> None:
        error = OSError("cannot reach redis://:pw@host:1/0\nsecond line")
        assert first_line(error) == "cannot reach redis://host:1/0"

    def test_columns_stand_below_each_other(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(("A", "B"), [("x", "1"), ("long", "22")], right=frozenset((1,)))
        assert capsys.readouterr().out.splitlines() == ["A      B", "x      1", "long  22"]
