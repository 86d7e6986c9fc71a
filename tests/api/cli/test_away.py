"""Whoever calls `daftar` while the database is away gets a sentence."""

import pytest

from tests.api.cli.conftest import Run
from tests.support.running import free_port

pytestmark = pytest.mark.services


def test_a_migration_without_a_database_ends_with_a_sentence(environment: dict[str, str], run: Run) -> None:
    environment["DATABASE_URL"] = f"postgresql://daftar:geheim@127.0.0.1:{free_port()}/daftar"
    result = run("migrate")
    assert result.exit_code == 1
    assert result.stderr.startswith("The database cannot be reached: ")
    assert "Traceback" not in result.output
    assert "geheim" not in result.output
