"""Logs: one event a line on standard output, with secrets and personal data masked (requirements §40).

`structlog` writes our own events; those of the standard library's `logging` (uvicorn, psycopg, nats) pass
through the same steps. An event is masked twice: by the name of a field, however deep, and by what texts
look like (addresses, bearer tokens, JWTs, `password=...`), tracebacks included. Local variables of a
traceback are never written.

Nothing here raises: an event that cannot be written as it is, is written as well as it can be.
"""

import contextlib
import dataclasses
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, Final, TextIO
from uuid import UUID

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from infrastructure.security.secrets import Secret
from infrastructure.settings import LogFormat, LogLevel

MASK: Final = "***"
"""What stands in place of a masked value."""

_LEVELS: Final = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}
_LEVEL_NAMES: Final = {
    "debug": "DEBUG", "info": "INFO", "warning": "WARN", "warn": "WARN", "error": "ERROR", "exception": "ERROR",
    "critical": "ERROR", "fatal": "ERROR",
}  # fmt: skip

_QUIET: Final = ("httpx", "httpcore", "asyncio", "urllib3")
"""Loggers that tell what they do at INFO, query strings included; only their warnings are of use."""

_REPETITIVE: Final = ("psycopg.pool",)
"""Loggers that warn at each attempt to reach a server that is away; `infrastructure.database` tells it once."""

# A field is masked when its name holds one of these, ...
_SENSITIVE_PARTS: Final = (
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "cookie",
    "credential",
    "authoriz",
)
# ... or one of its words is one of these, ...
_SENSITIVE_WORDS: Final = frozenset(
    {
        "pwd", "pass", "passphrase", "pepper", "jwt", "bearer", "authorisation", "auth", "signature", "otp", "pin",
        "email", "emails", "mail", "phone", "phones", "msisdn", "whatsapp", "address", "addresses", "recipient",
        "recipients", "destination", "card", "cvv", "cvc", "iban", "ssn", "firstname", "lastname", "fullname", "dsn",
    }
)  # fmt: skip
# ... or two neighbouring words are a pair.
_SENSITIVE_PAIRS: Final = frozenset(
    {
        ("access", "key"), ("private", "key"), ("encryption", "key"), ("data", "key"), ("first", "name"),
        ("last", "name"), ("full", "name"), ("database", "url"), ("redis", "url"), ("nats", "url"),
    }
)  # fmt: skip
_HARMLESS: Final = frozenset({"token_id", "token_type", "client_address", "remote_address"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# In lower case, what any of the patterns below needs: most texts have none of it and are left alone quickly.
_SUSPICIOUS: Final = re.compile(
    r"://|cookie|bearer|basic|eyj|[sr]k_|whsec_|_[0-9a-f]{64}|passw|secret|token|otp|api.?key|signature|pepper"
    r"|email|phone|@|%40|\+[1-9]"
)
# Each takes linear time: it starts at the beginning of a word only, or its repeats are bounded.
_PATTERNS: Final = (
    # scheme://user:password@host
    (re.compile(r"(?<=://)[^\s/@]{1,256}@"), f"{MASK}@"),
    # a header of cookies, to the end of its line
    (re.compile(r"""\b((?:set-)?cookie["']?\s{0,4}[:=]\s{0,4})[^\n"']+""", re.IGNORECASE), rf"\1{MASK}"),
    # Authorization: Bearer ..., Basic ...
    (re.compile(r"\b(bearer|basic)\s{1,8}[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    # parts of base64url, the first of which begins like a JSON object
    (re.compile(r"(?<![\w-])[\w-]{0,64}?eyJ[\w-]{5,}(?:\.[\w-]*){1,4}"), MASK),
    # keys of providers and our own API keys
    (re.compile(r"\b(?:(?:sk|rk)_(?:live|test)|whsec)_[\w+/=]{6,}|\b[a-z]{1,12}_[0-9a-f]{64}\b"), MASK),
    # name=value and "name": "value" inside a text
    (
        re.compile(
            r"""(?<![\w-])([\w-]{0,64}?(?:password|passwd|secret|token|otp|api[_-]?key|signature|pepper|email|phone)"""
            r"""[\w-]{0,64}\\?["']?\s{0,4}[=:]\s{0,4})"""
            r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\\?["']?[^\s&,;"')}\]\\]+)""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    # email addresses, as they are and in a query string
    (re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"), MASK),
    # telephone numbers (E.164)
    (re.compile(r"\+[1-9][0-9 ()-]{6,18}[0-9]"), MASK),
)

_DEEPEST: Final = 8
_WIDEST: Final = 200
_LONGEST_TEXT: Final = 32_768


def configure_logging(level: LogLevel, log_format: LogFormat, *, stream: TextIO | None = None) -> None:
    """Send everything that is logged to `stream`, from `level` on; may be called again.

    Without a stream it is standard output as it is at the time of each event (LOG-07). Commands that
    print facts there give standard error. An event below the level costs one method call.
    """
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_level_and_time,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    render: list[Processor] = [_mask_event, *_renderers(log_format, stream or sys.stdout)]
    lines = _Lines(stream)
    structlog.configure(
        processors=[*steps, *render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*steps, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    _take_over_standard_logging(_Handler(formatter, lines), _LEVELS[level])


@contextlib.contextmanager
def request_context(request_id: str, **fields: object) -> Iterator[None]:
    """Every event logged inside, in this task and those it starts, carries the request id and these fields."""
    with structlog.contextvars.bound_contextvars(request_id=request_id, **fields):
        yield


def mask(value: object) -> Any:
    """The value as plain data (texts, numbers, lists, maps), with secrets and personal data masked."""
    return _plain(value, _DEEPEST)


def mask_text(text: str) -> str:
    """The text without what looks like a secret, an email address or a telephone number."""
    if len(text) > _LONGEST_TEXT:
        half = _LONGEST_TEXT // 2
        text = f"{text[:half]} ... ({len(text)} characters) ... {text[-half:]}"
    if _SUSPICIOUS.search(text.lower()) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=4096)
def is_sensitive(name: str) -> bool:
    """Whether a field of this name holds a secret or personal data, in whatever style it is written."""
    if name.lower().replace("-", "_") in _HARMLESS:
        return False
    plain = "".join(character for character in name.lower() if character.isalnum())
    words = [word.lower() for word in _WORD.findall(name[:256])]
    return (
        any(part in plain for part in _SENSITIVE_PARTS)
        or not _SENSITIVE_WORDS.isdisjoint(words)
        or not _SENSITIVE_PAIRS.isdisjoint(pairwise(words))
    )


_OURS: Final = frozenset(("timestamp", "level"))
"""What is written by `_add_level_and_time` and holds nothing of anybody's."""


def _mask_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    try:
        return {
            name: value if name in _OURS else _masked_field(name, value, _DEEPEST)
            for name, value in event.items()
        }
    except Exception as error:  # noqa: BLE001 -- a value that cannot even be looked at must not stop its author
        told = {name: event.get(name) for name in ("timestamp", "level")}
        return told | {
            "event": mask_text(_writable(_shown(event.get("event")))),
            "unwritable": type(error).__name__,
        }


def _masked_field(name: str, value: object, depth: int) -> Any:
    # A flag, or that there is nothing, gives nothing away.
    if value is None or isinstance(value, bool):
        return value
    return MASK if is_sensitive(name) else _plain(value, depth)


def _plain(value: object, depth: int) -> Any:  # noqa: PLR0912 -- one branch a kind of value
    if type(value) is UUID:  # what most fields hold
        return str(value)
    match value:
        case str():
            return mask_text(_writable(value))
        case None | bool() | float():
            return value
        case int():
            return int(value) if -(2**63) <= value < 2**63 else str(value)
        case Secret():
            return MASK
        case Enum():
            return _plain(value.value, depth)
        case datetime():
            return rfc3339(value) if value.tzinfo is not None else value.isoformat()
        case UUID() | Decimal() | date() | time() | timedelta():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return f"({len(value)} bytes)"
        case BaseException():
            return mask_text(_writable(f"{type(value).__name__}: {_shown(value)}"))
    if depth == 0:
        return "..."
    match value:
        case Mapping():
            items = list(islice(value.items(), _WIDEST))
            fields = {_key(key): _masked_field(_key(key), each, depth - 1) for key, each in items}
            return fields | ({"...": f"{len(value) - _WIDEST} more"} if len(value) > _WIDEST else {})
        case list() | tuple() | set() | frozenset():
            plain = [_plain(each, depth - 1) for each in islice(value, _WIDEST)]
            return plain + ([f"... {len(value) - _WIDEST} more"] if len(value) > _WIDEST else [])
        case msgspec.Struct():
            names = value.__struct_fields__
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = tuple(field.name for field in dataclasses.fields(value))
        case _:
            return mask_text(_writable(_shown(value)))
    return {name: _masked_field(name, getattr(value, name, None), depth - 1) for name in names}


def _key(key: object) -> str:
    return mask_text(_writable(key if isinstance(key, str) else _shown(key)))


def _writable(text: str) -> str:
    # Lone surrogates cannot be written as UTF-8.
    return str(text) if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 -- whatever a foreign __str__ raises, the event must still be written
        return f"(a {type(value).__name__} that cannot be shown)"


def rfc3339(moment: datetime) -> str:
    """An aware time as `2026-03-02T09:00:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _add_level_and_time(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    level = record.levelname.lower() if isinstance(record, logging.LogRecord) else method
    event["level"] = _LEVEL_NAMES.get(level, level.upper())
    event["timestamp"] = rfc3339(datetime.now(UTC))
    return event


def _renderers(log_format: LogFormat, stream: TextIO) -> list[Processor]:
    match log_format:
        case LogFormat.JSON:
            return [_to_json]
        case LogFormat.CONSOLE:
            coloured = stream.isatty()
            styles = structlog.dev.ConsoleRenderer.get_default_level_styles(coloured)
            # Tracebacks are plain text by now. The formatter is given all the same, for where `rich` is installed
            # the default one would print local variables.
            return [
                _without_escapes,
                structlog.dev.ConsoleRenderer(
                    colors=coloured,
                    exception_formatter=structlog.dev.plain_traceback,
                    level_styles={
                        level: styles[name] for name, level in _LEVEL_NAMES.items() if name in styles
                    },
                ),
            ]


def _without_escapes(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Texts that may come from anybody do nothing to the terminal that shows them; lines end only where ours do."""
    for name, value in event.items():
        if isinstance(value, str) and _ESCAPES.search(value) is not None:
            event[name] = _ESCAPES.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return event


_ESCAPES: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _to_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    ordered = {name: event.pop(name, None) for name in ("timestamp", "level", "event")}
    return msgspec.json.encode({**ordered, **event}).decode()


class _Lines:
    """Writes one line an event in a single call, so that those of several processes do not mix."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        stream = self._stream or sys.stdout
        # Whoever read the log is gone, and nobody is left to be told.
        with contextlib.suppress(OSError, ValueError):
            stream.write(f"{line}\n")
            stream.flush()

    debug = info = warning = warn = error = exception = critical = fatal = failure = log = msg


class _Handler(logging.Handler):
    """Takes what the standard library's loggers say through the same steps to the same place."""

    def __init__(self, formatter: logging.Formatter, lines: _Lines) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 -- a record that does not fit its own text must not stop its author
            plain = {"name": record.name, "levelname": record.levelname, "levelno": record.levelno}
            reason = f"a log record that cannot be written: {type(error).__name__}"
            line = self.format(logging.makeLogRecord(plain | {"msg": reason}))
        self._lines.msg(line)


def _take_over_standard_logging(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        if type(old) in {_Handler, logging.StreamHandler}:
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The API logs each request itself, with its id and without its query.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in _REPETITIVE:
        logging.getLogger(name).setLevel(max(level, logging.ERROR))
    logging.captureWarnings(True)
