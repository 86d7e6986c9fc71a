"""A marketplace lives through a day; no secret of anybody is found anywhere afterwards (requirements SEC-20, LOG-08, W-44)."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
import psycopg
import pytest

from infrastructure.bootstrap import derived_key
from infrastructure.messaging.connection import connected
from infrastructure.messaging.streams import StreamNames
from infrastructure.security.secrets import fresh_secret, fresh_secrets
from infrastructure.settings import Settings
from tests.api.accounts.mailbox import Mailbox, a_phone, wrong
from tests.journeys.outages import Marketplace
from tests.journeys.secrecy import Found, Place, Recording, Secrets, everything
from tests.journeys.shop import API, Person, Shop, until, wish

pytestmark = [pytest.mark.services, pytest.mark.slow]

CHOSEN: Final = {
    name: value for name, value in fresh_secrets().items() if name not in {"DB_PASSWORD", "REDIS_PASSWORD"}
}

SETTINGS: Final = {
    **CHOSEN,
    "SUPER_ADMIN_PASSWORD": fresh_secret(),
    "JWT_SECRETS_PREVIOUS": fresh_secret(),
    "ENCRYPTION_KEYS_PREVIOUS": fresh_secret(),
    # As talkative as it gets, with the line of each request that tests are usually spared.
    "APP_ENV": "development",
    "LOG_LEVEL": "DEBUG",
    "BCRYPT_ROUNDS": "10",
    "CATALOGUE_CACHE_SECONDS": "60",
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_MAX_REQUESTS": "1000",
    "SLOWDOWN_AFTER": "1000",
    "AUTH_RATE_LIMIT_MAX": "20",
}

PASSWORD_HASH: Final = re.compile(rb"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}")


class Story:
    """What the steps share: who is there, what they know, and how it was answered."""

    def __init__(self, market: Marketplace, http: Recording) -> None:
        """Nothing has happened yet, but the settings have secrets."""
        self.market = market
        self.http = http
        self.shop = Shop(market.daftar, http)
        self.secrets = Secrets()
        self.people: dict[str, Person] = {}
        self.passwords: dict[str, str] = {}
        self.mailbox = Mailbox(
            market.servers.urls.mail_folder or Path(),
            Path(market.daftar.environment["DAFTAR_DATA_DIR"]) / "sms",
        )
        self.listing_id = ""
        self.order: dict[str, Any] = {}

    async def register(self, name: str, kind: str = "customer") -> str:
        """Somebody new, with a password of their own; the id of the account."""
        password = self.passwords[name] = self.secrets.keep(f"the password of {name}", _password())
        body = {
            "email": self.shop.address(name),
            "password": password,
            "name": name.title(),
            "kind": kind,
            **({"businessName": "Teapots"} if kind == "seller" else {}),
        }
        for _ in range(2):  # The second time the kept answer is looked up.
            answer = await self.shop.post("/auth/register", body, key=f"register-{name}-{self.shop.run}")
            self.keep_tokens(name, answer.data)
        account_id: str = answer.data["user"]["id"]
        return account_id

    async def sign_in(self, name: str) -> Person:
        """Somebody who is there already."""
        credentials = {"email": self.shop.address(name), "password": self.passwords[name]}
        data = (await self.shop.post("/auth/login", credentials)).data
        self.keep_tokens(name, data)
        account_id: str = data["user"]["id"]
        self.people[name] = Person(
            account_id=account_id, email=self.shop.address(name), token=data["accessToken"]
        )
        return self.people[name]

    def keep_tokens(self, name: str, data: dict[str, Any]) -> None:
        """Those of an answer, if there are any."""
        for field in ("accessToken", "refreshToken"):
            if data.get(field):
                self.secrets.token(f"an {field} of {name}", data[field])


def _password() -> str:
    """One that has to be quoted wherever it is written."""
    return f'p"{fresh_secret()[:24]}\\ы&%'


# --- the day ---------------------------------------------------------------------------------------------------------


async def the_house_is_set_up(story: Story) -> None:
    """What its settings hold, and what is derived from that."""
    for name, value in SETTINGS.items():
        if "SECRET" in name or name in {*CHOSEN, "SUPER_ADMIN_PASSWORD", "ENCRYPTION_KEYS_PREVIOUS"}:
            story.secrets.keep(name, value)
    environment = story.market.daftar.environment
    story.secrets.keep("S3_SECRET_KEY", environment["S3_SECRET_KEY"])
    for name in ("DATABASE_URL", "REDIS_URL", "NATS_URL"):
        credential = urlsplit(environment[name]).password
        if credential is not None and len(credential) > 16:
            story.secrets.keep(f"the password in {name}", credential)
    settings = Settings.from_environment(environment)
    for purpose in (b"sandbox", b"rate limits", b"identifiers", b"one-time codes"):
        story.secrets.keep(f"the key for {purpose.decode()}", derived_key(settings, purpose).hex())


async def people_register_and_sign_in(story: Story) -> None:
    """A seller, who is approved, and a customer."""
    story.passwords["admin"] = SETTINGS["SUPER_ADMIN_PASSWORD"]
    credentials = {
        "email": story.market.daftar.environment["SUPER_ADMIN_EMAIL"],
        "password": story.passwords["admin"],
    }
    data = (await story.shop.post("/auth/login", credentials)).data
    story.keep_tokens("admin", data)
    admin = Person(account_id=data["user"]["id"], email=credentials["email"], token=data["accessToken"])
    story.people["admin"] = admin
    seller_id = await story.register("anvar", "seller")
    await story.register("zebo")
    _ = (await story.shop.post(f"/admin/sellers/{seller_id}/approve", by=admin)).data
    await story.sign_in("anvar")
    await story.sign_in("zebo")


async def some_get_it_wrong(story: Story) -> None:
    """Passwords and tokens where they do not belong: every one of these is refused, and repeated nowhere."""
    shop, secrets = story.shop, story.secrets
    email = shop.address("zebo")
    typed = secrets.keep("a password that was typed wrongly", _password())
    misplaced = secrets.keep("a password in the wrong field", _password())
    token = story.people["zebo"].token
    forged = secrets.token("a forged token", f"{token.rpartition('.')[0]}.{fresh_secret()[:43]}")
    refused = [
        await shop.post("/auth/login", {"email": email, "password": typed}),
        await shop.post("/auth/login", {"email": misplaced, "password": typed}),
        await shop.post("/auth/login", {"email": email, "password": typed, "passwort": misplaced}),
        await shop.post("/auth/login", {"email": email, "password": [typed, {"a": misplaced}]}),
        await shop.post("/auth/login", msgspec.Raw(f'{{"password": "{typed}'.encode())),
        await shop.post(
            "/auth/register", {"email": email, "password": typed, "name": "Z", "kind": misplaced}
        ),
        await shop.post(
            "/auth/register",
            {"email": email, "password": story.passwords["zebo"], "name": "Zebo", "kind": "customer"},
        ),
        await shop.post("/auth/register", {"email": f"{misplaced}@shop.test", "password": typed}),
        await story.http.get(f"{API}/orders?password={quote(typed)}&token={quote(token)}"),
        await story.http.get(f"{API}/auth/me", token=forged),
        await story.http.get(f"{API}/auth/me", headers={"Authorization": f"Basic {forged}"}),
        await story.http.get(f"{API}/auth/me", headers={"Authorization": token}),
        await shop.post("/orders", {"paymentMethod": misplaced}, story.people["zebo"]),
        await shop.post("/orders", wish(), story.people["zebo"], key=f"key\t{token}"),
    ]
    assert {answer.status // 100 for answer in refused} == {4}
    # A question that nobody has asked is passed over.
    assert (await story.http.get(f"{API}/orders?{quote(misplaced)}", token=token)).status == 200


async def somebody_buys(story: Story) -> None:
    """A teapot, which is paid for in the sandbox."""
    shop, customer = story.shop, story.people["zebo"]
    story.listing_id = await shop.put_on_sale(story.people["anvar"], stock=5, name=TEAPOT)
    placed = (await shop.post("/orders", wish((story.listing_id, 1)), customer, key="order-1")).data
    story.order = placed
    story.secrets.given("the client secret of the payment", placed["clientSecret"])
    await shop.pay(placed, customer)
    _ = (await shop.post(f"/orders/{placed['orderId']}/process", by=story.people["anvar"])).data
    assert (await shop.get(f"/orders/{placed['orderId']}", customer)).data["status"] == "processing"
    assert (await story.http.get(f"{API}/listings?limit=5")).status == 200


async def somebody_signs_out(story: Story) -> None:
    """A token that is good no more is no less a secret."""
    left = await story.sign_in("zebo")
    assert (await story.shop.post("/auth/logout", by=left)).status < 300
    assert (await story.shop.get("/orders", left)).code == "TOKEN_REVOKED"


async def somebody_proves_who_they_are(story: Story) -> None:
    """Links, codes and tickets: by mail and by text message, right ones and wrong ones, and new passwords after them."""
    shop, secrets = story.shop, story.secrets
    address = shop.address("zebo")
    mailbox = story.mailbox
    link = secrets.given(
        "the link to verify an address", await mailbox.token_for(address, "email-verification")
    )
    _ = (await shop.post("/auth/verify-email", {"token": link})).data
    assert (await shop.post("/auth/verify-email", {"token": link})).status == 400
    _ = (await shop.post("/auth/forgot-password", {"email": address, "channel": "link"})).data
    reset = secrets.given("the link to a new password", await mailbox.token_for(address, "password-reset"))
    story.passwords["zebo"] = secrets.keep("the second password of zebo", _password())
    _ = (await shop.post("/auth/reset-password", {"token": reset, "password": story.passwords["zebo"]})).data
    _ = (await shop.post("/auth/forgot-password", {"email": address, "channel": "otp"})).data
    code = await mailbox.code_for(address)
    secrets.code("the code for a new password", code)
    secrets.code("a wrong code", wrong(code))
    refused = await shop.post("/auth/verify-forgot-otp", {"email": address, "otp": wrong(code)})
    assert refused.code == "OTP_INVALID"
    ticket = (await shop.post("/auth/verify-forgot-otp", {"email": address, "otp": code})).data["resetToken"]
    secrets.given("the ticket for a new password", ticket)
    story.passwords["zebo"] = secrets.keep("the third password of zebo", _password())
    _ = (await shop.post("/auth/reset-password", {"token": ticket, "password": story.passwords["zebo"]})).data
    customer = await story.sign_in("zebo")
    current, story.passwords["zebo"] = story.passwords["zebo"], secrets.keep("the last one", _password())
    body = {"currentPassword": current, "newPassword": story.passwords["zebo"]}
    _ = (await shop.post("/auth/change-password", body, customer)).data


async def somebody_comes_by_phone_and_stays(story: Story) -> None:
    """A code by text message, and the next pair of tokens, also by one that was used before."""
    shop, secrets = story.shop, story.secrets
    mailbox, phone = story.mailbox, a_phone()
    _ = (await shop.post("/auth/otp/send", {"phone": phone})).data
    code = await mailbox.code_on(phone)
    secrets.code("the code to sign in", code)
    data = (await shop.post("/auth/otp/verify", {"phone": phone, "otp": code, "name": "Nodira"})).data
    story.keep_tokens("nodira", data)
    for _ in range(2):
        pair = (await shop.post("/auth/refresh", {"refreshToken": data["refreshToken"]})).data
        story.keep_tokens("nodira, who stays", pair)
    misplaced = await shop.post("/auth/refresh", {"refreshToken": pair["accessToken"]})
    assert misplaced.code == "INVALID_REFRESH_TOKEN"


async def a_program_shows_a_key(story: Story) -> None:
    """One that is good for something, one that nobody was ever given, and one that was taken back."""
    shop, secrets = story.shop, story.secrets
    seller = await story.sign_in("anvar")
    body = {"name": "Bookkeeping", "permissions": ["orders:read"]}
    issued = (await shop.post("/api-keys", body, seller, key="a-key")).data
    key = secrets.given("an API key", issued["key"])
    guessed = secrets.keep("a key that was never given", f"gm_{fresh_secret().encode().hex()[:64]}")
    assert (await story.http.get(f"{API}/seller/orders", headers={"X-API-Key": key})).status == 200
    assert (await story.http.get(f"{API}/auth/me", headers={"X-API-Key": key})).status == 403
    assert (await story.http.get(f"{API}/auth/me", headers={"X-API-Key": guessed})).status == 401
    assert (await shop.get("/api-keys", seller)).status == 200
    deleted = await story.http.request("DELETE", f"{API}/api-keys/{issued['keyId']}", token=seller.token)
    assert deleted.status == 200
    assert (await story.http.get(f"{API}/seller/orders", headers={"X-API-Key": key})).status == 401


async def staff_look_into_the_log(story: Story) -> None:
    """All that happened, and how everything stands now."""
    token = story.people["admin"].token
    fresh = {"X-Min-Position": str(story.shop.position), "Prefer": "wait=10"}
    streams: set[tuple[str, str]] = set()
    cursor = ""
    while True:
        page = await story.http.get(f"{API}/admin/audit/events?limit=100{cursor}", token=token, headers=fresh)
        assert page.status == 200
        shown = msgspec.json.decode(page.body)
        streams |= {(event["streamType"], event["streamId"]) for event in shown["data"]}
        if not shown["meta"]["hasMore"]:
            break
        cursor = f"&cursor={shown['meta']['nextCursor']}"
    assert {"account", "session", "api_key", "otp_challenge", "payment"} <= {kind for kind, _ in streams}
    for kind, stream_id in streams:
        state = await story.http.get(f"{API}/admin/audit/streams/{kind}/{stream_id}/state", token=token)
        assert state.status == 200


STEPS: Final[tuple[Callable[[Story], Awaitable[None]], ...]] = (
    the_house_is_set_up,
    people_register_and_sign_in,
    some_get_it_wrong,
    somebody_buys,
    somebody_signs_out,
    somebody_proves_who_they_are,
    somebody_comes_by_phone_and_stays,
    a_program_shows_a_key,
    staff_look_into_the_log,
)

TEAPOT: Final = "Blue teapot from Rishtan"


async def the_day_is_over(story: Story) -> None:
    """Everything is published, and the mails are out."""
    names = StreamNames(story.market.daftar.environment["NATS_PREFIX"])
    nats_url = story.market.servers.urls.nats_url
    assert nats_url is not None
    async with connected(nats_url, name="test") as broker:

        async def published() -> bool:
            stream = await broker.jetstream.stream_info(names.events)
            return bool(stream.state.last_seq >= story.shop.position)

        await until(published, "everything is published")
    confirmed = f"Order {story.order['orderNumber']} is confirmed"
    await story.market.mailbox.until_all_have_come({(story.people["zebo"].email, confirmed)})


@pytest.fixture(scope="module")
async def story(market: Marketplace) -> AsyncIterator[Story]:
    """A day in the life of the marketplace."""
    async with Recording(market.daftar.url, timeout_seconds=20) as http:
        told = Story(market, http)
        market.mailbox = type(market.mailbox)(market.servers.urls.mail_folder, told.shop)
        for step in STEPS:
            await step(told)
        await the_day_is_over(told)
        yield told


@pytest.fixture(scope="module")
async def places(story: Story) -> list[Place]:
    """Everything that the day has left behind."""
    return [place async for place in everything(story.market, story.http)]


async def test_no_secret_is_found_anywhere(story: Story, places: list[Place]) -> None:
    found = sorted({each for place in places for each in story.secrets.found_in(place)})
    assert found == []


async def test_hashes_of_passwords_are_in_their_table_alone(places: list[Place]) -> None:
    assert {place.name for place in places if PASSWORD_HASH.search(place.content)} == {"table credentials"}


async def test_keys_of_people_are_in_their_table_alone(story: Story, places: list[Place]) -> None:
    url = story.market.daftar.environment["DATABASE_URL"]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        rows = await (await connection.execute("SELECT wrapped FROM data_keys")).fetchall()
    wrapped = [row[0].encode() for row in rows]
    assert len(wrapped) >= 3
    holders = {place.name for place in places if any(each in place.content for each in wrapped)}
    assert holders == {"table data_keys"}


async def test_the_search_reads_what_is_written(story: Story, places: list[Place]) -> None:
    """What is no secret is found where it belongs; nothing is packed, or passed over."""

    def holders(text: str) -> set[str]:
        return {place.name.partition(" ")[0] for place in places if text.encode() in place.content}

    assert holders(story.order["orderNumber"]) >= {"answer", "log", "mail", "table", "stream"}
    assert holders(TEAPOT) >= {"answer", "mail", "table", "stream", "redis"}
    assert holders("daftar_command_queue") >= {"answer"}
    assert holders("api.cli") >= {"command"}


async def test_a_secret_that_lies_about_is_found_however_it_is_written(story: Story) -> None:
    market = story.market
    planted = Secrets()
    secret = planted.keep("planted", _password())
    prefix = market.daftar.environment["NATS_PREFIX"]
    assert market.servers.urls.nats_url is not None
    async with (
        connected(market.servers.urls.nats_url, name="test") as broker,
        await psycopg.AsyncConnection.connect(
            market.daftar.environment["DATABASE_URL"], autocommit=True
        ) as database,
    ):
        await broker.jetstream.add_stream(name=f"{prefix.upper()}_PLANTED", subjects=[f"{prefix}.planted"])
        await broker.jetstream.publish(f"{prefix}.planted", b"", headers={"X-Told": secret.encode().hex()})
        await database.execute("CREATE TABLE planted (kept bytea)")
        await database.execute("INSERT INTO planted VALUES (%s)", [msgspec.json.encode({"pw": secret})])
        await market.redis.hset("daftar:planted:1", "url", f"https://x/?password={quote(secret)}")
        log = market.folder / "planted.log"
        log.write_text(f"signing in as zebo:{secret}\n", encoding="utf-8")
        await story.http.get(f"/nowhere/{quote(secret)}")
        try:
            found = {
                each
                async for place in everything(market, story.http)
                for each in planted.found_in(place)
                if not place.name.startswith("log api")
            }
        finally:
            log.unlink()
            await market.redis.delete("daftar:planted:1")
            await database.execute("DROP TABLE planted")
            await broker.jetstream.delete_stream(f"{prefix.upper()}_PLANTED")
    assert {each.place for each in found} >= {
        "table planted",
        "stream _PLANTED",
        "redis daftar:planted",
        "log planted.log",
    }
    assert any(each.place.startswith("answer 404 to GET /nowhere") for each in found)
    assert {each.secret for each in found} == {"planted"}


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_a_secret_within_base64_is_found_wherever_it_begins(before: str) -> None:
    import base64

    secrets = Secrets()
    secret = secrets.keep("planted", _password())
    credentials = base64.b64encode(f"{before}{secret} and more".encode())
    assert secrets.found_in(Place("a header", credentials)) == {Found("a header", "planted")}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"code=481516", True),
        (b'{"code":"481516"}', True),
        (b"at 12:00:00.481516Z", False),
        (b"+998904815162342", False),
    ],
)
def test_a_code_is_found_as_a_number_of_its_own(content: bytes, found: bool) -> None:
    secrets = Secrets()
    secrets.code("code", "481516")
    assert bool(secrets.found_in(Place("log", content))) is found
    assert not secrets.found_in(Place("mail", content, told=True))


def test_what_was_told_to_its_owner_has_not_leaked_and_a_password_never_is() -> None:
    secrets = Secrets()
    token = secrets.token("token", f"eyJ.{fresh_secret()}.{fresh_secret()}")
    password = secrets.keep("password", _password())
    content = f"{token} {password}".encode()
    assert {each.secret for each in secrets.found_in(Place("mail", content, told=True))} == {"password"}
    assert {each.secret for each in secrets.found_in(Place("log", content))} == {
        "token",
        "the signature of token",
        "password",
    }
