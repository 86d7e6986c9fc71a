"""How the tools of the command line speak: facts on standard output, the rest in sentences on standard error."""

import functools
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, ParamSpec, TypeVar

import click
import msgspec
import nats.errors
import psycopg
from psycopg import errors

from api.cli.environment import EXIT_SETTINGS, machinery, stop
from application.shared.command import Unavailable
from domain.shared.errors import DomainError
from infrastructure.bootstrap import Machinery
from infrastructure.embedded.errors import EmbeddedError
from infrastructure.event_store.keyring import DataKeyBroken
from infrastructure.event_store.names import UnknownEvent
from infrastructure.messaging.connection import NatsAway
from infrastructure.security.cipher import SealBroken
from projections.shared.log import LogGap

EXIT_REFUSED: Final = 1
EXIT_INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells have it."""

LASTING: Final = ("ENCRYPTION_KEY", "PASSWORD_PEPPER")
"""Secrets without which nobody could ever read or check again what is written."""

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def open_tools_to_write() -> Machinery:
    """The installation, for tools that write: with secrets that will be the same the next time."""
    tools = machinery()
    fleeting = [
        name
        for name in LASTING
        if any(
            warning.startswith(f"{name} ") and "a random one" in warning
            for warning in map(str, tools.settings.warnings)
        )
    ]
    if fleeting:
        stop(
            f"Set {' and '.join(fleeting)} as the running shop has them: with others, what is written could not be "
            "read again.",
            code=EXIT_SETTINGS,
        )
    return tools


def expecting_failures(command: Callable[P, R]) -> Callable[P, R]:
    """End with a sentence, not with a traceback, when something fails that may well fail."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (errors.UndefinedTable, errors.UndefinedFunction):
            stop("The database has no schema of Daftar's; run `daftar migrate` first.")
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            what = "cannot be reached" if error.sqlstate is None else "broke off"
            stop(f"The database {what}: {first_line(error)}")
        except errors.InsufficientPrivilege as error:
            stop(f"The database does not allow it: {first_line(error)}")
        except (Unavailable, DomainError) as error:
            stop(error.message)
        except nats.errors.Error as error:
            stop(f"NATS did not do it: {first_line(error)}")
        except (NatsAway, EmbeddedError, LogGap, UnknownEvent) as error:
            stop(str(error))
        except (DataKeyBroken, SealBroken) as error:
            stop(f"{error} Is ENCRYPTION_KEY the one of this installation?")
        except LookupError as error:
            # Settings of a server that is needed here and was not named.
            if type(error) is not LookupError:
                raise
            stop(str(error), code=EXIT_SETTINGS)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)

    return wrapped


_CREDENTIALS: Final = re.compile(r"://[^/@\s]*@")


def first_line(error: BaseException) -> str:
    """What an error says, in one line, without the user and password of a URL."""
    text = _CREDENTIALS.sub("://", str(error).strip())
    return printable(text.splitlines()[0]) if text else type(error).__name__


def print_json(value: Any) -> None:
    """One JSON value on a line of its own."""
    click.echo(msgspec.json.encode(value).decode())


def printable(text: str) -> str:
    """Text as a terminal may show it: what could command the terminal stands escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def print_table(
    header: tuple[str, ...], rows: list[tuple[str, ...]], *, right: frozenset[int] = frozenset()
) -> None:
    """Columns under a header; those of `right` are numbers."""
    cells = [header, *(tuple(map(printable, row)) for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    for row in cells:
        aligned = [
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(aligned).rstrip())


def count(number: int) -> str:
    """A whole number with thousands apart."""
    return f"{number:,}"


def ago(moment: datetime) -> str:
    """How long something is past, in its largest unit."""
    passed = max(datetime.now(UTC) - moment, timedelta())
    seconds = int(passed.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def moment(at: datetime) -> str:
    """A time in UTC to the millisecond, as it can be given to `--at`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
