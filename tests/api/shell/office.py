"""A ticket office behind the real shell: real command loop, real tokens, a log in memory."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import httpx
import msgspec
from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from redis.asyncio import Redis

from api.access import ACCESS, ANYBODY, Table, only, programs, signed_in, visitors
from api.app import Application, Standing
from api.body import read_json
from api.callbacks import CALLBACK, raw_body
from api.envelope import Envelope, Page, RequestBody, ResponseBody, Timestamp, envelope, page, timestamp
from api.limits import limit_sign_ins
from api.money import MoneyRequest, MoneyView
from api.openapi import NOT_A_COMMAND, errors
from api.requests import CursorRequest, PageRequest
from api.services import HealthCheck
from api.slowdown import UNHURRIED
from api.submission import submit
from application.api_keys.results import KeyBearer
from application.shared.caller import Caller
from application.shared.command import StoreUnavailable
from application.shared.loop import CommandLoop
from domain.accounts.permissions import Permission
from domain.accounts.roles import Role
from domain.api_keys.api_key import ApiKeyInvalid
from domain.shared.errors import InvalidInput
from domain.shared.money import Money
from infrastructure.identity import new_id
from infrastructure.security.secrets import fresh_secret, fresh_secrets
from infrastructure.security.tokens import TokenIssuer
from infrastructure.settings import Settings
from tests.support.applications import application_on
from tests.support.commands import CLAIMS, TestClock
from tests.support.memory_store import InMemoryEventStore
from tests.support.tickets_office import (
    HANDLERS,
    OFFICE,
    AddSeats,
    LookAtOffice,
    Office,
    OpenOffice,
    SellSeat,
    Stumble,
)

CUSTOMER = UUID("01930000-0000-7000-8000-00000000000a")
ADMIN = UUID("01930000-0000-7000-8000-00000000000b")
SUPER_ADMIN = UUID("01930000-0000-7000-8000-00000000000c")
SUSPENDED = UUID("01930000-0000-7000-8000-00000000000d")
GONE = UUID("01930000-0000-7000-8000-00000000000e")
PROMOTED = UUID("01930000-0000-7000-8000-00000000000f")
SHOP_PAGE = "http://localhost:3000"


NOTICE_KEY = b"a key of tests only"
FORM_BYTES_MAXIMUM = 100_000


class WrongSignature(InvalidInput):
    """A notice that its sender has not signed."""

    code = "INVALID_SIGNATURE"


class Row(StrEnum):
    """Where to sit."""

    FRONT = "front"
    BACK = "back"


class Seat(RequestBody, frozen=True, kw_only=True):
    """Part of a request."""

    row: Row
    number: Annotated[int, msgspec.Meta(ge=1, le=100)]


class OpenOfficeRequest(RequestBody, frozen=True, kw_only=True):
    """What a new office needs."""

    office_name: Annotated[str, msgspec.Meta(min_length=2, max_length=20)]
    seats: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    best_seats: list[Seat] = msgspec.field(default_factory=list)
    price: MoneyRequest | None = None


class Anything(RequestBody, frozen=True, kw_only=True):
    """A body with room for whatever."""

    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


class SignIn(RequestBody, frozen=True, kw_only=True):
    """A sign-in."""

    email: str
    password: Annotated[str, msgspec.Meta(min_length=8)]


class OfficeView(ResponseBody, frozen=True, kw_only=True):
    """An office."""

    office_id: UUID
    seats_left: int

    @classmethod
    def of(cls, office: Office) -> "OfficeView":
        return cls(office_id=office.office_id, seats_left=office.left)


class WhoView(ResponseBody, frozen=True, kw_only=True):
    """The caller, as the routes see them."""

    actor_id: UUID | None
    role: str | None
    ip: str | None
    user_agent: str | None
    correlation_id: UUID | None
    trace_id: str | None
    headers: list[str]
    at: Timestamp


def who(caller: Caller, request: Request[Any, Any, Any], at: datetime) -> Envelope[WhoView]:
    return envelope(
        WhoView(
            actor_id=caller.actor_id,
            role=caller.role,
            ip=caller.ip,
            user_agent=caller.user_agent,
            correlation_id=caller.correlation_id,
            trace_id=caller.trace_id,
            headers=sorted(request.headers.keys()),
            at=timestamp(at),
        )
    )


class OfficesController(Controller):
    """The office's window."""

    path = "/offices"
    tags = ("Offices",)

    @get("/ping")
    async def ping(self) -> Envelope[str]:
        """The least that a route can do."""
        return envelope("pong")

    @get("/me")
    async def me(self, request: Request[Any, Any, Any], caller: NamedDependency[Caller]) -> Envelope[WhoView]:
        """Who is signed in."""
        return who(caller, request, NOON_AND_A_BIT)

    @get("/visitor")
    async def visitor(
        self, request: Request[Any, Any, Any], visitor: NamedDependency[Caller]
    ) -> Envelope[WhoView]:
        """Who is there, signed in or not."""
        return who(visitor, request, NOON_AND_A_BIT)

    @get("/vault")
    async def vault(self) -> Envelope[str]:
        """For administrators."""
        return envelope("gold")

    @get("/feed")
    async def feed(
        self, request: Request[Any, Any, Any], caller: NamedDependency[Caller]
    ) -> Envelope[WhoView]:
        """For programs."""
        return who(caller, request, NOON_AND_A_BIT)

    @get("/list")
    async def listing(
        self,
        page_request: NamedDependency[PageRequest],
        min_price: Annotated[int | None, QueryParameter(ge=0, name="minPrice")] = None,
    ) -> Page[int]:
        """Numbers from 1 to 45."""
        numbers = list(range(1, 46))
        chosen = numbers[page_request.offset : page_request.offset + page_request.limit]
        return page(chosen, number=page_request.page, limit=page_request.limit, total=len(numbers))

    @get("/cursor")
    async def cursor(self, cursor_request: NamedDependency[CursorRequest]) -> Envelope[int]:
        """The place that a cursor names."""
        return envelope(cursor_request.after(int) or 0)

    @get("/required")
    async def required(self, shop_id: Annotated[int, QueryParameter(name="shopId")]) -> Envelope[int]:
        """A query parameter that must be there."""
        return envelope(shop_id)

    @get("/price")
    async def price(self) -> Envelope[MoneyView]:
        """An amount."""
        return envelope(MoneyView.of(Money(1250, "usd")))

    @get("/large")
    async def large(self, size: Annotated[int, QueryParameter(ge=0, le=1_000_000)] = 5000) -> Response[str]:
        """A long text with a tag."""
        return Response("x" * size, headers={"ETag": '"office-1-7"'}, media_type="text/plain")

    @get("/stream")
    async def stream(self) -> Stream:
        """Some lines of JSON, one at a time."""

        async def lines() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b'{"line": %d, "text": "%s"}\n' % (number, b"y" * 1000)

        return Stream(lines(), media_type="application/x-ndjson")

    @get("/news", opt=UNHURRIED)
    async def news(self) -> Stream:
        """An event stream that never ends by itself."""

        async def events() -> AsyncIterator[bytes]:
            while True:
                yield b"data: " + b"z" * 2000 + b"\n\n"
                await asyncio.sleep(0.01)

        return Stream(events(), media_type="text/event-stream")

    @get("/broken-off")
    async def broken_off(self) -> Stream:
        """A stream with a bug in the middle."""

        async def lines() -> AsyncIterator[bytes]:
            yield b"one\n"
            raise ZeroDivisionError("secret inside")

        return Stream(lines(), media_type="text/plain")

    @get("/bug")
    async def bug(self) -> Envelope[str]:
        """A bug."""
        raise ZeroDivisionError("password=hunter2 in a message")

    @get("/outage")
    async def outage(self) -> Envelope[str]:
        """The store is away."""
        raise StoreUnavailable("The store is away.", retry_after_seconds=3)

    @get("/{office_id:uuid}")
    async def look(
        self, request: Request[Any, Any, Any], office_id: FromPath[UUID]
    ) -> Response[Envelope[OfficeView]]:
        """One office, as the loop knows it."""
        command = LookAtOffice(office_id=office_id)
        return await submit(request, command, OfficeView.of, kind="office", entity=office_id)

    @post("/", responses=errors(NAME_TAKEN=409))
    async def open_office(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[OpenOfficeRequest],
        visitor: NamedDependency[Caller],
    ) -> Response[Envelope[OfficeView]]:
        """Open an office."""
        if data.price is not None:
            data.price.money("price.amount")
        command = OpenOffice(office_id=new_id(), name=data.office_name, seats=data.seats)
        return await submit(request, command, OfficeView.of, kind="office", message="Open!")

    @post("/{office_id:uuid}/sell", status_code=200, responses=errors("RESOURCE_NOT_FOUND", SOLD_OUT=409))
    async def sell(
        self, request: Request[Any, Any, Any], office_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Response[Envelope[OfficeView]]:
        """Sell a seat to whoever asks."""
        command = SellSeat(office_id=office_id)
        return await submit(request, command, OfficeView.of, kind="office", entity=office_id)

    @patch("/{office_id:uuid}/seats/{seats:int}")
    async def add_seats(
        self, request: Request[Any, Any, Any], office_id: FromPath[UUID], seats: FromPath[int]
    ) -> Response[Envelope[OfficeView]]:
        """Add seats."""
        command = AddSeats(office_id=office_id, seats=seats)
        return await submit(request, command, OfficeView.of, kind="office", entity=office_id)

    @post("/stumble", status_code=200)
    async def stumble(self, request: Request[Any, Any, Any]) -> Response[Envelope[OfficeView]]:
        """A bug in a handler."""
        return await submit(request, Stumble(), OfficeView.of, kind="office")

    @post("/anything", status_code=200, opt=NOT_A_COMMAND)
    async def anything(self, data: JSONBody[Anything]) -> Envelope[int]:
        """Take whatever comes."""
        return envelope(len(data.attributes))

    @post("/sign-in", status_code=200, opt=NOT_A_COMMAND)
    async def sign_in(self, request: Request[Any, Any, Any], data: JSONBody[SignIn]) -> Envelope[str]:
        """Sign in, as often as is allowed."""
        await limit_sign_ins(request, data.email)
        return envelope("in")

    @post("/measured", status_code=200, opt=NOT_A_COMMAND)
    async def measured(self, request: Request[Any, Any, Any]) -> Envelope[int]:
        """How long a body is."""
        return envelope(len(await request.body()))

    @post("/callback", status_code=200, opt=CALLBACK)
    async def callback(self, request: Request[Any, Any, Any]) -> Envelope[int]:
        """What a payment provider calls."""
        return envelope(len(await raw_body(request)))

    @post("/notice", status_code=200, opt=CALLBACK, responses=errors("INVALID_SIGNATURE"))
    async def notice(self, request: Request[Any, Any, Any]) -> Envelope[int]:
        """What a payment provider calls with something that it has signed."""
        body = await raw_body(request)
        signature = request.headers.get("x-signature", "")
        if not hmac.compare_digest(hmac.digest(NOTICE_KEY, body, "sha256").hex(), signature):
            raise WrongSignature("This was signed by somebody else.")
        return envelope(len(read_json(body, Anything).attributes))

    @post("/form", status_code=200, opt=NOT_A_COMMAND, request_max_body_size=FORM_BYTES_MAXIMUM)
    async def form(self, request: Request[Any, Any, Any]) -> Envelope[list[str]]:
        """The names in a form."""
        return envelope(sorted(await request.form()))


STAFF = frozenset({Role.ADMIN, Role.SUPER_ADMIN})

OFFICE_ACCESS: Table = {
    **{
        row: access for row, access in ACCESS.items() if row[1].startswith(("/health", "/metrics", "/schema"))
    },
    **{
        ("GET", f"/offices/{name}"): ANYBODY
        for name in (
            [
                "ping",
                "list",
                "cursor",
                "required",
                "price",
                "large",
                "stream",
                "news",
                "broken-off",
                "bug",
                "outage",
                "{officeId}",
            ]
        )
    },
    ("GET", "/offices/me"): signed_in(),
    ("GET", "/offices/visitor"): visitors(key=Permission.ORDERS_READ),
    ("GET", "/offices/vault"): only(STAFF),
    ("GET", "/offices/feed"): programs(Permission.EVENTS_SUBSCRIBE),
    ("POST", "/offices"): visitors(key=Permission.ORDERS_READ),
    ("POST", "/offices/{officeId}/sell"): signed_in(key=Permission.ORDERS_FULFIL),
    ("PATCH", "/offices/{officeId}/seats/{seats}"): only(
        STAFF | {Role.SELLER}, key=Permission.LISTINGS_WRITE
    ),
    ("POST", "/offices/stumble"): ANYBODY,
    ("POST", "/offices/anything"): ANYBODY,
    ("POST", "/offices/sign-in"): ANYBODY,
    ("POST", "/offices/callback"): ANYBODY,
    ("POST", "/offices/measured"): ANYBODY,
    ("POST", "/offices/notice"): ANYBODY,
    ("POST", "/offices/form"): ANYBODY,
}

NOON_AND_A_BIT = datetime.fromisoformat("2026-05-01T12:00:00.123456+00:00")


class Directory:
    """Accounts, by hand."""

    def __init__(self) -> None:
        self.known = {
            CUSTOMER: Standing(role="customer", status="approved"),
            ADMIN: Standing(role="admin", status="approved"),
            SUPER_ADMIN: Standing(role="super_admin", status="approved"),
            SUSPENDED: Standing(role="admin", status="suspended"),
            PROMOTED: Standing(role="admin", status="approved"),
        }

    async def standing(self, account_id: UUID, session_id: UUID) -> Standing | None:
        return self.known.get(account_id)


class Keyring:
    """API keys, by hand: what is shown, and what it opens."""

    def __init__(self) -> None:
        self.bearers: dict[str, KeyBearer | Exception] = {}
        self.seen: set[str] = set()

    def known(self, shown: str) -> UUID | None:
        bearer = self.bearers.get(shown)
        return bearer.key_id if shown in self.seen and isinstance(bearer, KeyBearer) else None

    async def admit(self, shown: str) -> KeyBearer:
        bearer = self.bearers.get(shown, ApiKeyInvalid())
        if isinstance(bearer, Exception):
            raise bearer
        self.seen.add(shown)
        return bearer

    def give(self, owner_id: UUID, role: Role, *permissions: Permission) -> dict[str, str]:
        """A new key of somebody; the header that shows it."""
        shown = f"gm_{fresh_secret()}"
        everything = Permission.EVERYTHING in permissions
        self.bearers[shown] = KeyBearer(
            key_id=new_id(),
            owner_id=owner_id,
            role=role,
            permissions=frozenset(Permission) if everything else frozenset(permissions),
            unrestricted=everything,
        )
        return {"X-API-Key": shown}


class ReadSide:
    """A read side that is as far as it is said to be."""

    def __init__(self) -> None:
        self.position = 0
        self.catches_up_to = 0
        self.waits: list[tuple[int, float]] = []

    @property
    def reached(self) -> int:
        return self.position

    async def wait_for(self, position: int, timeout: float) -> bool:  # noqa: ASYNC109
        self.waits.append((position, timeout))
        return max(self.position, self.catches_up_to if timeout else 0) >= position


@dataclass
class OfficeServices:
    """What `create_app` asks for."""

    settings: Settings
    commands: CommandLoop | None
    tokens: TokenIssuer
    clock: TestClock
    accounts: Directory = field(default_factory=Directory)
    keys: Keyring = field(default_factory=Keyring)
    reader: ReadSide = field(default_factory=ReadSide)
    redis: Redis | None = None
    last_seen: None = None
    session_use: None = None
    new_id: Any = new_id
    health_checks: dict[str, HealthCheck] = field(default_factory=dict)
    newest: int = 8

    async def head(self) -> int:
        """Where the log is said to end."""
        return self.newest

    def token(self, account_id: UUID, role: str = "customer") -> str:
        """A good access token."""
        issued = self.tokens.issue_access(
            account_id=account_id, role=role, session_id=new_id(), token_id=new_id()
        )
        return issued.token.reveal()

    def bearer(self, account_id: UUID, role: str = "customer") -> dict[str, str]:
        """The header with a good access token."""
        return {"Authorization": f"Bearer {self.token(account_id, role)}"}


def settings_with(**variables: str) -> Settings:
    return Settings.from_environment({"APP_ENV": "test", "RATE_LIMIT_ENABLED": "false", **variables})


PRODUCTION: Mapping[str, str] = {
    **fresh_secrets(),
    "APP_ENV": "production",
    "APP_URL": "https://api.shop.test",
    "FRONTEND_URL": "https://shop.test",
    "OPENAPI_ENABLED": "true",
    "DATABASE_URL": f"postgresql://daftar:{fresh_secret()}@db/daftar",
    "REDIS_URL": f"redis://:{fresh_secret()}@redis:6379/0",
    "NATS_URL": f"nats://{fresh_secret()}@nats:4222",
    "S3_ENDPOINT": "https://s3.shop.test",
    "S3_ACCESS_KEY": "daftar-media",
    "S3_SECRET_KEY": fresh_secret(),
    "SMTP_HOST": "mail.shop.test",
    "SMTP_FROM": "shop@shop.test",
}


@dataclass
class Window:
    """The office as its customers meet it."""

    client: httpx.AsyncClient
    services: OfficeServices
    app: Application

    async def opened(self, name: str = "North", seats: int = 3) -> str:
        """The id of a new office."""
        answer = await self.client.post("/api/v1/offices", json={"officeName": name, "seats": seats})
        assert answer.status_code == 201, answer.text
        office_id: str = answer.json()["data"]["officeId"]
        return office_id


@asynccontextmanager
async def office(
    *,
    settings: Settings | None = None,
    controllers: Sequence[Any] = (OfficesController,),
    client_address: tuple[str, int] = ("203.0.113.7", 50000),
    base_url: str = "http://testserver.local",
    redis: Redis | None = None,
    health_checks: dict[str, HealthCheck] | None = None,
    **options: Any,
) -> AsyncIterator[Window]:
    """Open the window for the length of a test."""
    clock = TestClock()
    settings = settings or settings_with()
    loop = CommandLoop(
        InMemoryEventStore(), handlers=HANDLERS, kinds=[OFFICE, CLAIMS], clock=clock, new_id=new_id
    )
    tokens = TokenIssuer(
        access_secret=settings.tokens.access_secret,
        refresh_secret=settings.tokens.refresh_secret,
        access_lifetime=timedelta(minutes=15),
        refresh_lifetime=timedelta(days=7),
        issuer="ecommerce-api",
        audience="ecommerce-frontend",
        clock=clock,
    )
    async with loop:
        services = OfficeServices(
            settings=settings,
            commands=loop,
            tokens=tokens,
            clock=clock,
            redis=redis,
            health_checks=health_checks or {},
        )
        with application_on(services, controllers, **{"access": OFFICE_ACCESS, **options}) as app:
            transport = httpx.ASGITransport(app=app, client=client_address)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
                yield Window(client, services, app)
