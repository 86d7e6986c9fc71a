"""The door: what it costs to find out who asks, and what it costs others that somebody signs in.

`door_token` and `door_key` count the CPU of authentication for somebody who was seen before, without the rest of the request;
their peer is the mere verification of the same token by PyJWT. `orders_beside_sign_ins` is the slowest per cent of orders that come
at an even pace while people sign in, beside that of the same orders while nobody does.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from uuid import uuid4

import jwt
import msgspec
import uvloop

from api.assembly import AppServices, open_services
from api.context import RequestContext
from api.security import authenticate
from application.accounts.commands import RegisterAccount
from application.accounts.opening import as_owner, new_session
from application.api_keys.issuing import ApiKeyIssuer
from application.shared.caller import Caller
from domain.accounts.permissions import Permission
from domain.accounts.roles import AccountKind
from infrastructure.bootstrap import Machinery
from infrastructure.roles import bring_schema_up_to_date
from tests.bench.installation import Installation
from tests.bench.load import API, Measured, Orders, Tally, evenly, merged, order_request
from tests.bench.report import Figure, Peer
from tests.bench.wire import Link, Reply, links, post

TIMES = 20_000
MICROSECONDS = 1e6

ORDERS_PER_SECOND = 200
SIGN_INS_PER_SECOND = 20
SECONDS = 8.0
ROUNDS = 3
"""Each is without, with, with and without people who sign in: what slows a machine down for a while slows down both."""
PEOPLE = 20
PASSWORD = "a password for the bench only"


async def measure(tools: Machinery) -> list[Figure]:
    """Authentication of somebody who was seen before, by token and by key."""
    bring_schema_up_to_date(tools)
    async with open_services(tools) as services:
        token, key = await _somebody(services)
        bearer = {b"authorization": f"Bearer {token}".encode()}
        loads = 0
        load = services.store.load

        async def counted(*arguments: object) -> object:
            nonlocal loads
            loads += 1
            return await load(*arguments)  # type: ignore[arg-type]

        services.store.load = counted  # type: ignore[method-assign, assignment]
        by_token = await _cost(lambda: authenticate(_context(bearer), services))
        by_key = await _cost(lambda: authenticate(_context({b"x-api-key": key.encode()}), services))
        secret = tools.settings.tokens.access_secret.reveal()
        verified = time.process_time()
        for _ in range(TIMES):
            jwt.decode(
                token, secret, algorithms=["HS256"], options={"verify_aud": False, "verify_exp": False}
            )
        peer = Peer("PyJWT verifies the token", (time.process_time() - verified) * MICROSECONDS / TIMES)
    asked = f"{TIMES:,} times, {loads} queries"
    return [
        Figure("door_token", by_token, "us of CPU", peer, higher_is_better=False, target=150, note=asked),
        Figure("door_key", by_key, "us of CPU", peer, higher_is_better=False, target=150, note=asked),
    ]


async def _somebody(services: AppServices) -> tuple[str, str]:
    """The access token and an API key of a new account."""
    account_id, session_id = services.new_id(), services.new_id()
    owner = as_owner(Caller(), account_id)
    await services.commands.submit(
        RegisterAccount(
            account_id=account_id,
            kind=AccountKind.CUSTOMER,
            email="door@bench.example",
            name="Zebo Karimova",
            password_hash=b"-",
            session=new_session(session_id, now=services.clock(), lifetime=timedelta(days=7)),
        ),
        owner,
    )
    issuer = ApiKeyIssuer(
        commands=services.commands,
        new_id=services.new_id,
        random_bytes=os.urandom,
        prefix=services.settings.accounts.api_key_prefix,
    )
    new = await issuer.issue(name="Bench", caller=owner, permissions=[Permission.ORDERS_READ])
    assert new.plain is not None, "a new key is shown"
    issued = services.tokens.issue_access(
        account_id=account_id, role="customer", session_id=session_id, token_id=services.new_id()
    )
    return issued.token.reveal(), new.plain


def _context(headers: dict[bytes, bytes]) -> RequestContext:
    return RequestContext(
        request_id="bench",
        headers=headers,
        path="/",
        client_address="127.0.0.1",
        peer_address="127.0.0.1",
        secure=True,
        trace_id="0" * 32,
        problem_json=False,
    )


async def _cost(come: Callable[[], Awaitable[Caller]]) -> float:
    """Microseconds of CPU of one who comes in, after a first time."""
    await come()
    began = time.process_time()
    for _ in range(TIMES):
        await come()
    return (time.process_time() - began) * MICROSECONDS / TIMES


# --- beside orders -------------------------------------------------------------------------------------------------


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """Orders at an even pace, and sign-ins beside them, which may be none."""

    orders: Orders
    sign_ins_per_second: float
    emails: list[str]


async def measure_beside_orders(shop: Installation) -> list[Figure]:
    """Orders without and with people who sign in beside them."""
    emails = await shop.load.run(register_people, shop.url)
    orders = Orders(
        url=shop.url,
        tokens=shop.tokens,
        listings=shop.listings,
        connections=64,
        seconds=SECONDS,
        rate=ORDERS_PER_SECOND,
    )

    async def measured(sign_ins_per_second: int) -> tuple[Measured, Measured]:
        await shop.until_quiet()
        load = Mixed(orders=orders, sign_ins_per_second=sign_ins_per_second, emails=emails)
        return await shop.load.run(order_and_sign_in, load)

    await measured(SIGN_INS_PER_SECOND)  # The first ones find nothing prepared.
    quietly, busily, sign_ins = [], [], []
    for rate in (0, SIGN_INS_PER_SECOND, SIGN_INS_PER_SECOND, 0) * ROUNDS:
        ordered, came_in = await measured(rate)
        (busily if rate else quietly).append(ordered)
        if rate:
            sign_ins.append(came_in)
    quiet, busy, signed_in = merged(quietly), merged(busily), merged(sign_ins)
    for each in (quiet, busy):
        each.must_all_be("201")
    alone = quiet.percentile(0.99)
    return [
        Figure(
            "orders_beside_sign_ins",
            busy.percentile(0.99),
            "ms p99",
            Peer("nobody signs in", alone),
            higher_is_better=False,
            target=1.5 * alone,
            note=f"{ORDERS_PER_SECOND} orders/s, {signed_in.rate:.0f} sign-ins/s at bcrypt cost 10:"
            f" p99 {signed_in.percentile(0.99):.0f} ms, {signed_in.outcomes}",
            details={"p50_ms": busy.percentile(0.5), "p50_alone_ms": quiet.percentile(0.5)},
        )
    ]


def register_people(url: str) -> list[str]:
    """In the load generator's process: accounts with passwords; their addresses."""
    return uvloop.run(_register(url))


async def _register(url: str) -> list[str]:
    run = time.time_ns()
    emails = [f"bench.{run}.{number}@bench.example" for number in range(PEOPLE)]
    async with links(url, 2) as (link, _):
        for email in emails:
            body = {"email": email, "password": PASSWORD, "name": "Zebo Karimova"}
            reply = await link.ask(post(f"{API}/auth/register", "", msgspec.json.encode(body)))
            assert reply.status == 201, reply.outcome
    return emails


def order_and_sign_in(load: Mixed) -> tuple[Measured, Measured]:
    """In the load generator's process: both at once, each over connections of its own."""
    return uvloop.run(_order_and_sign_in(load))


async def _order_and_sign_in(load: Mixed) -> tuple[Measured, Measured]:
    choose = random.Random(f"{load.orders.seed} {uuid4()}")
    asked = int(load.orders.seconds * ORDERS_PER_SECOND)
    orders = (
        order_request(choose.choice(load.orders.tokens), choose.choice(load.orders.listings), choose)
        for _ in range(asked)
    )
    sign_ins = (
        post(
            f"{API}/auth/login",
            "",
            msgspec.json.encode({"email": choose.choice(load.emails), "password": PASSWORD}),
        )
        for _ in range(int(load.orders.seconds * load.sign_ins_per_second))
    )
    ordered, signed_in = Tally(), Tally()

    async def send(opened: list[Link], rate: float, requests: Iterable[bytes], tally: Tally) -> None:
        def done(reply: Reply, due: float) -> None:
            tally.note(reply.outcome, due)

        await evenly(opened, rate, requests, done)

    async with (
        links(load.orders.url, load.orders.connections) as some,
        links(load.orders.url, 32) as others,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(send(some, ORDERS_PER_SECOND, orders, ordered))
        group.create_task(send(others, load.sign_ins_per_second or 1, sign_ins, signed_in))
    return ordered.measured(), signed_in.measured()
