"""Where the settings of a command come from: the environment, and a running installation's own servers and secrets."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from infrastructure.bootstrap import Machinery
from infrastructure.embedded.supervisor import find_running
from infrastructure.logging import configure_logging
from infrastructure.settings import LogLevel, Settings, SettingsError

EXIT_USAGE = 2
EXIT_SETTINGS = 78
"""`EX_CONFIG` of sysexits.h."""


def read_settings(
    extra: Mapping[str, str] | None = None, *, secrets: Mapping[str, str] | None = None
) -> Settings:
    """The settings of this process; ends it with a list of what is wrong when they cannot be used."""
    try:
        return Settings.from_environment({**(extra or {}), **os.environ}, development_secrets=secrets)
    except SettingsError as error:
        stop(str(error), code=EXIT_SETTINGS)


def machinery(*, log_level: LogLevel = LogLevel.WARN) -> Machinery:
    """For commands that work on an installation: the configured one, or the embedded one that runs in the data folder."""
    settings = read_settings(secrets={})
    if settings.database.url is None:
        running = find_running(data_folder())
        if running is None:
            stop(
                "No database: set DATABASE_URL, or start Daftar in this folder with `daftar serve`.",
                code=EXIT_SETTINGS,
            )
        urls, secrets = running
        settings = read_settings(urls.as_environment(), secrets=secrets.as_environment())
    configure_logging(log_level, settings.logging.format, stream=sys.stderr)
    return Machinery(settings)


def data_folder() -> Path:
    """Where embedded servers keep their data."""
    return Path(os.environ.get("DAFTAR_DATA_DIR", ".daftar")).resolve()


def stop(message: str, *, code: int = 1) -> NoReturn:
    """End with a sentence on standard error."""
    click.echo(message, err=True)
    sys.exit(code)
