"""What is logged can be read by machines, and gives nobody away."""

import asyncio
import dataclasses
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from time import perf_counter
from typing import Any
from uuid import UUID

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.logging import (
    MASK,
    configure_logging,
    is_sensitive,
    mask,
    mask_text,
    request_context,
    rfc3339,
)
from infrastructure.security.secrets import Secret
from infrastructure.settings import LogFormat, LogLevel

JWT = ".".join(
    ("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U")
)
API_KEY = "gm_" + "0123456789abcdef" * 4


class Log:
    """A log in memory."""

    def __init__(self, level: LogLevel, log_format: LogFormat) -> None:
        self._stream = io.StringIO()
        configure_logging(level, log_format, stream=self._stream)
        self.logger: Any = structlog.get_logger()

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def event(self) -> dict[str, Any]:
        assert len(self.events) == 1
        return self.events[0]


@pytest.fixture
def open_log() -> Iterator[Callable[..., Log]]:
    """Opens a log, and puts everything back as it was."""
    root = logging.getLogger()
    names = [
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "httpx",
        "httpcore",
        "asyncio",
        "urllib3",
        "a.library",
    ]
    kept = [
        (logger, logger.level, list(logger.handlers), logger.propagate)
        for logger in (root, *map(logging.getLogger, names))
    ]
    yield lambda level=LogLevel.INFO, log_format=LogFormat.JSON: Log(level, log_format)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    for logger, level, handlers, propagate in kept:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


@pytest.fixture
def log(open_log: Callable[..., Log]) -> Log:
    return open_log()


class Kind(StrEnum):
    SELLER = "seller"


class RegisterAccount(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    email: str
    password: str
    kind: Kind = Kind.SELLER


@dataclasses.dataclass
class Parcel:
    number: str
    address: str


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


class TestLines:
    def test_an_event_is_one_json_object_on_one_line(self, log: Log) -> None:
        log.logger.info("order_cancelled", order_id="7f3c", position=12)
        assert log.text.count("\n") == 1
        event = log.event
        assert event.pop("timestamp")
        assert event == {"level": "INFO", "event": "order_cancelled", "order_id": "7f3c", "position": 12}

    def test_the_time_is_utc_with_milliseconds(self, log: Log) -> None:
        log.logger.info("tick")
        stamp = log.event["timestamp"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
        assert abs(datetime.fromisoformat(stamp) - datetime.now(UTC)) < timedelta(minutes=1)

    def test_times_of_elsewhere_are_told_in_utc(self) -> None:
        tashkent = timezone(timedelta(hours=5))
        assert rfc3339(datetime(2026, 3, 2, 14, 0, 0, 123_999, tzinfo=tashkent)) == "2026-03-02T09:00:00.123Z"

    def test_time_level_and_name_come_first(self, log: Log) -> None:
        log.logger.info("order_cancelled", a=1)
        assert list(log.event)[:3] == ["timestamp", "level", "event"]

    @pytest.mark.parametrize(
        ("method", "level"),
        [
            ("debug", "DEBUG"),
            ("info", "INFO"),
            ("warning", "WARN"),
            ("error", "ERROR"),
            ("critical", "ERROR"),
        ],
    )
    def test_there_are_four_levels(self, open_log: Callable[..., Log], method: str, level: str) -> None:
        log = open_log(LogLevel.DEBUG)
        getattr(log.logger, method)("event")
        getattr(logging.getLogger("a.library"), method)("event")
        assert [event["level"] for event in log.events] == [level, level]

    def test_a_line_break_in_a_text_does_not_forge_a_line(self, log: Log) -> None:
        log.logger.info('x\n{"event":"forged"}', agent="y\n{}")
        assert len(log.events) == 1

    def test_an_error_has_its_stack_trace(self, log: Log) -> None:
        try:
            raise ValueError("the till is jammed")
        except ValueError:
            log.logger.exception("sale_failed")
        assert "the till is jammed" in log.event["exception"]
        assert "test_logging.py" in log.event["exception"]

    def test_people_get_text(self, open_log: Callable[..., Log]) -> None:
        log = open_log(log_format=LogFormat.CONSOLE)
        log.logger.info("order_cancelled", order_id="7f3c", email="anna@shop.uz")
        assert "order_cancelled" in log.text
        assert "order_id=7f3c" in log.text
        assert "anna" not in log.text
        assert "\x1b" not in log.text, "no colours where nobody sees them"

    def test_what_somebody_sends_does_nothing_to_the_terminal(self, open_log: Callable[..., Log]) -> None:
        log = open_log(log_format=LogFormat.CONSOLE)
        log.logger.info("request", path="/\x1b[31mRED\x00\r\x9b2J", user_agent="\x07")
        assert not set("\x1b\x00\r\x9b\x07") & set(log.text)
        assert "RED" in log.text

    def test_events_go_to_standard_output(
        self, open_log: Callable[..., Log], capsys: pytest.CaptureFixture[str]
    ) -> None:
        open_log()
        configure_logging(LogLevel.INFO, LogFormat.JSON)
        structlog.get_logger().info("order_cancelled")
        assert json.loads(capsys.readouterr().out)["event"] == "order_cancelled"


class TestLevels:
    def test_what_is_below_the_level_is_not_logged(self, open_log: Callable[..., Log]) -> None:
        log = open_log(LogLevel.WARN)
        log.logger.info("too_fine")
        logging.getLogger("a.library").info("too fine")
        log.logger.warning("just_right")
        assert log.event["event"] == "just_right"

    def test_what_is_not_logged_costs_next_to_nothing(self, open_log: Callable[..., Log]) -> None:
        logger = open_log(LogLevel.WARN).logger.bind()
        begun = perf_counter()
        for _ in range(10_000):
            logger.debug("too_fine", method="GET", path="/")
        assert (perf_counter() - begun) / 10_000 < 2e-6


class TestStandardLogging:
    def test_libraries_log_in_the_same_form(self, log: Log) -> None:
        logging.getLogger("a.library").warning("connection to %s lost", "db", extra={"password": "hunter2"})
        assert log.event["event"] == "connection to db lost"
        assert log.event["logger"] == "a.library"
        assert log.event["level"] == "WARN"

    def test_what_libraries_say_is_masked_too(self, log: Log) -> None:
        logging.getLogger("a.library").error("login of %s with token=%s failed", "anna@shop.uz", "t0ps3cret")
        assert log.event["event"] == f"login of {MASK} with token={MASK} failed"

    def test_their_errors_have_stack_traces(self, log: Log) -> None:
        try:
            raise OSError("password=hunter2 was wrong")
        except OSError:
            logging.getLogger("a.library").exception("no connection")
        assert "OSError" in log.event["exception"]
        assert "hunter2 was" not in log.event["exception"]

    def test_a_record_that_does_not_fit_its_text_harms_nobody(self, log: Log) -> None:
        root = logging.getLogger()
        root.handlers[:] = [each for each in root.handlers if "pytest" not in type(each).__module__]
        text = "%d items of %s"
        logging.getLogger("a.library").warning(text, "three")
        assert log.event["event"] == "a log record that cannot be written: TypeError"
        assert log.event["logger"] == "a.library"
        assert log.event["level"] == "WARN"

    def test_the_server_does_not_log_requests_a_second_time(self, log: Log) -> None:
        logging.getLogger("uvicorn.access").info('"GET /?token=x HTTP/1.1" 200')
        logging.getLogger("httpx").info("HTTP Request: GET https://x/?key=y")
        logging.getLogger("uvicorn.error").info("Application startup complete.")
        assert log.event["event"] == "Application startup complete."

    def test_warnings_are_logged(self, log: Log) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.showwarning("the till is old", UserWarning, "till.py", 7)
        assert "the till is old" in log.event["event"]

    def test_setting_up_twice_does_not_log_twice(self, open_log: Callable[..., Log]) -> None:
        open_log()
        log = open_log()
        logging.getLogger("a.library").warning("once")
        assert log.event["event"] == "once"


class TestContext:
    def test_every_event_of_a_request_carries_its_id(self, log: Log) -> None:
        with request_context("req-1", actor_id="7f3c"):
            log.logger.info("one")
            logging.getLogger("a.library").info("two")
        log.logger.info("three")
        assert [event.get("request_id") for event in log.events] == ["req-1", "req-1", None]
        assert [event.get("actor_id") for event in log.events] == ["7f3c", "7f3c", None]

    async def test_requests_at_the_same_time_do_not_mix(self, log: Log) -> None:
        async def handle(number: int) -> None:
            with request_context(f"req-{number}"):
                await asyncio.sleep(0)
                log.logger.info("handled", number=number)

        await asyncio.gather(*(handle(number) for number in range(20)))
        assert all(event["request_id"] == f"req-{event['number']}" for event in log.events)

    def test_the_context_is_masked_too(self, log: Log) -> None:
        with request_context("req-1", session_token="t0ps3cret"):
            log.logger.info("one")
        assert log.event["session_token"] == MASK


class TestMaskingByName:
    @pytest.mark.parametrize(
        "name",
        [
            "password", "newPassword", "password_hash", "PASSWORD_PEPPER", "token", "accessToken", "refresh-token",
            "accesstoken", "secret", "client_secret", "authorization", "Authorization", "api_key", "apiKey", "APIKey",
            "X-API-Key", "email", "userEmail", "email_to", "phone", "phoneNumber", "otp", "otp_code", "cookie",
            "Set-Cookie", "credentials", "private_key", "encryptionKey", "data_key", "signature", "jwt", "bearer",
            "card", "card_number", "cvv", "shipping_address", "first_name", "lastName", "recipient", "database_url",
        ],
    )  # fmt: skip
    def test_a_field_of_this_name_is_masked(self, log: Log, name: str) -> None:
        log.logger.info("event", **{name: "v4lue"})
        assert log.event[name] == MASK
        assert "v4lue" not in log.text

    @pytest.mark.parametrize(
        "name",
        [
            "order_id",
            "token_id",
            "path",
            "client_address",
            "name",
            "key",
            "status",
            "code",
            "mailbox_size",
            "passage",
        ],
    )
    def test_a_field_of_this_name_is_not(self, log: Log, name: str) -> None:
        log.logger.info("event", **{name: "v4lue"})
        assert log.event[name] == "v4lue"

    def test_numbers_and_bytes_under_such_names_are_masked_too(self, log: Log) -> None:
        log.logger.info(
            "event", otp=123456, phone=998901234567, token=b"abc", emails=["a"], password={"a": 1}
        )
        assert [log.event[name] for name in ("otp", "phone", "token", "emails", "password")] == [MASK] * 5

    def test_whether_there_is_one_may_be_told(self, log: Log) -> None:
        log.logger.info("event", email=None, password_set=True)
        assert (log.event["email"], log.event["password_set"]) == (None, True)

    def test_fields_are_masked_however_deep_they_are(self, log: Log) -> None:
        log.logger.info(
            "event", body={"accounts": [{"name": "A", "login": {"passWord": "hunter2"}}, ({"otp": 1},)]}
        )
        assert log.event["body"] == {
            "accounts": [{"name": "A", "login": {"passWord": MASK}}, [{"otp": MASK}]],
        }

    def test_commands_and_records_are_masked_by_their_fields(self, log: Log) -> None:
        log.logger.info(
            "event",
            command=RegisterAccount(name="Anna", email="anna@shop.uz", password="hunter2"),
            parcel=Parcel(number="P1", address="Amir Temur 1"),
        )
        assert log.event["command"] == {"name": "Anna", "email": MASK, "password": MASK, "kind": "seller"}
        assert log.event["parcel"] == {"number": "P1", "address": MASK}

    def test_secrets_are_masked_under_any_name(self, log: Log) -> None:
        log.logger.info("event", value=Secret("hunter2"), values=[Secret("hunter2")])
        assert "hunter2" not in log.text


class TestMaskingByLooks:
    @pytest.mark.parametrize(
        ("text", "secret"),
        [
            ("mail to anna.karimova+shop@mail.example.uz bounced", "anna.karimova"),
            (
                "mail to \u0430\u043d\u043d\u0430@\u043f\u043e\u0447\u0442\u0430.\u0443\u0437 bounced",
                "\u0430\u043d\u043d\u0430",
            ),
            ("user=root@localhost", "root"),
            ("GET /?q=anna%40shop.uz", "anna"),
            ("Authorization: Bearer abcdef123456", "abcdef123456"),
            ("authorization=basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
            (f"the token {JWT} expired", JWT.split(".")[1]),
            (f"x_{JWT}", JWT.split(".")[2]),
            (f"half a token {JWT.rsplit('.', 1)[0]}", JWT.split(".")[1]),
            ("postgresql://daftar:hunter2@db:5432/daftar is away", "hunter2"),
            ("nats://t0ps3cret@nats:4222", "t0ps3cret"),
            ("redis://:hunter2@redis", "hunter2"),
            ("connect(password='hunter2 and more', host='db')", "hunter2 and more"),
            ('{"password": "hun\\"ter2", "a": 1}', "ter2"),
            ('"{\\"password\\": \\"hunter2\\"}"', "hunter2"),
            ('password="hunter2', "hunter2"),
            ("PASSWORD_PEPPER=hunter2", "hunter2"),
            ("/reset?token=t0ps3cret&next=/", "t0ps3cret"),
            ("?X-Amz-Signature=t0ps3cret&x=1", "t0ps3cret"),
            ("otp: 123456", "123456"),
            ("client_secret = t0ps3cret", "t0ps3cret"),
            ("Cookie: sid=abc; theme=dark", "theme"),
            ("Set-Cookie: sid=abc; Path=/", "abc"),
            (f"key {API_KEY} used", "0123456789abcdef"),
            ("sk_" + "live_51HxAbCdEf", "51HxAbCdEf"),
            ("whsec_MfKQ9r8GKYqr", "MfKQ9r8GKYqr"),
            ("SMS to +998901234567 failed", "901234567"),
            ("SMS to +998 (90) 123-45-67 failed", "123-45"),
        ],
    )
    def test_a_secret_inside_a_text_is_masked(self, log: Log, text: str, secret: str) -> None:
        log.logger.info(text, detail=text, details=[{"note": text}], error=ValueError(text))
        assert secret in text
        assert secret not in log.text
        assert MASK in log.event["detail"]

    @pytest.mark.parametrize(
        "text",
        [
            "order 7f3c1a2b was placed at 2026-03-02T09:00:00.123+05:00 for 12.50 usd",
            "GET /api/v1/listings/blue-shirt?page=2&limit=20 200",
            "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
            "01930000-0000-7000-8000-000000000001",
            "TOKEN_EXPIRED",
            "password_changed",
            "a + 1 = b",
            "https://shop.uz/blue-shirt",
        ],
    )
    def test_an_ordinary_text_is_left_as_it_is(self, text: str) -> None:
        assert mask_text(text) == text

    def test_a_traceback_shows_no_secret(self, log: Log) -> None:
        key = "hunter2" + "x" * 3
        try:
            raise ValueError(f"DSN postgresql://me:{key}@db/shop for anna@shop.uz")
        except ValueError:
            log.logger.exception("failed", key_length=len(key))
        assert key not in log.text
        assert "anna" not in log.event["exception"]

    def test_no_local_variable_is_ever_written(self, open_log: Callable[..., Log]) -> None:
        for log_format in LogFormat:
            log = open_log(log_format=log_format)
            local = "-".join(["only", "in", "memory"])
            try:
                raise ValueError("failed")
            except ValueError:
                log.logger.exception("failed", length=len(local))
            assert local not in log.text

    @pytest.mark.parametrize(
        "piece",
        [
            "a",
            "a-",
            "a@",
            "password",
            "+1 ",
            "eyJ",
            "eyJaaaaa.",
            "://",
            "cookie:",
            "bearer ",
            "token=",
            '="',
            "%40",
            '"otp":"',
        ],
    )
    def test_no_text_makes_masking_slow(self, piece: str) -> None:
        text = piece * (40_000 // len(piece))
        begun = perf_counter()
        mask_text(text)
        assert perf_counter() - begun < 0.5


class TestRobustness:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.uuids()
        | st.datetimes() | st.timedeltas() | st.builds(Unprintable),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner),
        max_leaves=20,
    )  # fmt: skip

    @given(values)
    def test_whatever_is_logged_can_be_written_as_json(self, value: object) -> None:
        json.loads(msgspec.json.encode(mask({"value": value})))

    def test_odd_values_are_told_in_plain_words(self, log: Log) -> None:
        log.logger.info(
            "event",
            id=UUID(int=1),
            amount=Decimal("12.50"),
            at=datetime(2026, 3, 2, 9, tzinfo=UTC),
            big=2**80,
            raw=b"abc",
            kind=Kind.SELLER,
            error=KeyError("x"),
            lone="\ud800",
            odd=Unprintable(),
        )
        event = {
            name: value for name, value in log.event.items() if name not in {"timestamp", "level", "event"}
        }
        assert event == {
            "id": "00000000-0000-0000-0000-000000000001",
            "amount": "12.50",
            "at": "2026-03-02T09:00:00.000Z",
            "big": str(2**80),
            "raw": "(3 bytes)",
            "kind": "seller",
            "error": "KeyError: 'x'",
            "lone": "\\ud800",
            "odd": "(a Unprintable that cannot be shown)",
        }

    def test_a_value_that_contains_itself_ends(self, log: Log) -> None:
        loop: list[object] = []
        loop.append(loop)
        log.logger.info("event", loop=loop)
        assert "..." in json.dumps(log.event["loop"])

    def test_very_much_is_cut(self, log: Log) -> None:
        log.logger.info(
            "event", many=list(range(10_000)), long="x" * 1_000_000, wide={str(n): n for n in range(1000)}
        )
        assert log.event["many"][-1] == "... 9800 more"
        assert log.event["wide"]["..."] == "800 more"
        assert len(log.text) < 50_000

    def test_a_value_that_breaks_when_looked_at_does_not_break_its_author(self, log: Log) -> None:
        class Broken(dict[str, str]):
            def items(self) -> Any:
                raise RuntimeError("no")

        log.logger.info("sale_failed", value=Broken(a="b"))
        assert log.event["event"] == "sale_failed"
        assert log.event["unwritable"] == "RuntimeError"

    def test_a_reader_who_is_gone_stops_nobody(self, open_log: Callable[..., Log]) -> None:
        class Closed(io.StringIO):
            def write(self, text: str, /) -> int:
                raise BrokenPipeError

        open_log()
        configure_logging(LogLevel.INFO, LogFormat.JSON, stream=Closed())
        structlog.get_logger().info("event")
        logging.getLogger("a.library").info("event")

    def test_names_are_recalled_in_bounded_memory(self) -> None:
        for number in range(10_000):
            is_sensitive(f"field_{number}")
        assert is_sensitive.cache_info().currsize <= 4096


def test_the_module_does_not_hide_the_standard_library() -> None:
    assert "infrastructure" not in (sys.modules["logging"].__file__ or "")
