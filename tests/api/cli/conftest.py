"""The command line on real servers: in this process where that is enough, as a process where signals matter."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from click.testing import CliRunner, Result

from api.cli.main import daftar
from infrastructure.bootstrap import Machinery
from infrastructure.embedded.services import ServiceUrls
from infrastructure.roles import bring_schema_up_to_date
from infrastructure.security.secrets import fresh_secrets
from infrastructure.settings import Settings

PROGRAM = (sys.executable, "-m", "api.cli")

Run = Callable[..., Result]


@pytest.fixture
def environment(urls: ServiceUrls, database_url: str, tmp_path: Path) -> dict[str, str]:
    """Settings of an installation whose servers are all configured; change them before the first `run`."""
    secrets = fresh_secrets()
    return {
        **urls.as_environment(),
        **{name: secrets[name] for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "ENCRYPTION_KEY")},
        "PASSWORD_PEPPER": secrets["PASSWORD_PEPPER"],
        "DATABASE_URL": database_url,
        "DAFTAR_DATA_DIR": str(tmp_path),
        "APP_ENV": "test",
        "BCRYPT_ROUNDS": "4",
        "DB_POOL_MIN": "1",
        "DB_POOL_MAX": "4",
    }


@pytest.fixture
def tools(environment: dict[str, str]) -> Machinery:
    """The same installation, for the test itself, with all its tables."""
    made = Machinery(Settings.from_environment(environment))
    bring_schema_up_to_date(made)
    return made


@pytest.fixture
def run(environment: dict[str, str]) -> Iterator[Run]:
    """Run `daftar` with some arguments; logging is put back afterwards as it was."""
    root = logging.getLogger()
    kept = root.level, list(root.handlers)
    runner = CliRunner()

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        result = runner.invoke(daftar, list(arguments), env=environment, input=stdin, prog_name="daftar")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    yield invoke
    root.setLevel(kept[0])
    root.handlers[:] = kept[1]
    logging.captureWarnings(False)
    structlog.reset_defaults()


def facts(result: Result) -> object:
    """What a tool printed with --json."""
    assert result.exit_code == 0, result.output
    decoded: object = msgspec.json.decode(result.stdout)
    return decoded
