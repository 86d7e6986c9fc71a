"""People who trade over HTTP with a running Daftar; whatever a story does not care about has a value."""

import asyncio
import email
import email.policy
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

from tests.support.http import Answer, HttpClient
from tests.support.running import ADMIN_EMAIL, ADMIN_PASSWORD, Running

T = TypeVar("T")

API = "/api/v1"
PASSWORD = "a password of tests only"
USD = "usd"
PATIENCE_SECONDS = 30.0

ADDRESS = {
    "firstName": "Zebo",
    "lastName": "Karimova",
    "address1": "Amir Temur 1",
    "city": "Tashkent",
    "postalCode": "100000",
    "country": "UZ",
}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is signed in."""

    account_id: str
    email: str
    token: str


class People:
    """Those who trade somewhere, and what they do there."""

    def __init__(self, http: HttpClient) -> None:
        """`http` asks an installation, however it is run."""
        self.http = http
        self.run = uuid4().hex[:10]
        self.position = 0

    # --- asking --------------------------------------------------------------------------------------------

    async def get(self, path: str, by: Person | None = None, **headers: str) -> Answer:
        """Ask for what has happened up to the last command of this shop's people."""
        headers = {"X-Min-Position": str(self.position), "Prefer": "wait=10", **headers}
        return await self.http.get(API + path, token=_token(by), headers=headers)

    async def tell(
        self, method: str, path: str, body: Any = None, by: Person | None = None, *, key: str | None = None
    ) -> Answer:
        """Command."""
        headers = None if key is None else {"Idempotency-Key": key}
        answer = await self.http.request(method, API + path, body, token=_token(by), headers=headers)
        self.position = max(self.position, int(answer.headers.get("x-position", "0")))
        return answer

    async def post(
        self, path: str, body: Any = None, by: Person | None = None, *, key: str | None = None
    ) -> Answer:
        """Command with POST."""
        return await self.tell("POST", path, body, by, key=key)

    async def insist(self, path: str, body: Any, by: Person, *, key: str) -> Answer:
        """Command until there is an answer; the key makes repeats harmless.

        Raises:
            AssertionError: there is none for too long.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await self.post(path, body, by, key=key)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)
                continue
            if answer.status != 503:
                return answer
            assert int(answer.headers["retry-after"]) >= 1
            await asyncio.sleep(0.1)
        raise AssertionError(f"No answer to {path} in {PATIENCE_SECONDS} s")

    async def all_of(self, path: str, by: Person) -> list[dict[str, Any]]:
        """Every page of a list."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = await self.get(f"{path}?limit=100&cursor={cursor}", by)
            found += answer.data
            meta = answer.json()["meta"]
            if not meta["hasMore"]:
                return found
            cursor = meta["nextCursor"]

    # --- people --------------------------------------------------------------------------------------------

    def address(self, name: str) -> str:
        """An address for mail that no other test has."""
        return f"{name}.{self.run}@journey.example"

    async def sign_in(self, address: str, password: str = PASSWORD) -> Person:
        """Somebody with an account."""
        data = (await self.post("/auth/login", {"email": address, "password": password})).data
        return Person(account_id=data["user"]["id"], email=address, token=data["accessToken"])

    async def admin(self) -> Person:
        """The super admin of the settings."""
        return await self.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD)

    async def register(self, name: str, kind: str = "customer") -> Answer:
        """A new account."""
        body = {"email": self.address(name), "password": PASSWORD, "name": name.title(), "kind": kind}
        return await self.post("/auth/register", body)

    async def customer(self, name: str) -> Person:
        """A new customer."""
        data = (await self.register(name)).data
        return Person(account_id=data["user"]["id"], email=self.address(name), token=data["accessToken"])

    async def customers(self, count: int) -> list[Person]:
        """Many new customers."""
        return await asyncio.gather(*(self.customer(f"customer{number}") for number in range(count)))

    async def seller(self, name: str = "seller") -> Person:
        """A new seller who may sell."""
        account_id = (await self.register(name, "seller")).data["user"]["id"]
        _ = (await self.post(f"/admin/sellers/{account_id}/approve", by=await self.admin())).data
        return await self.sign_in(self.address(name))

    # --- trade ---------------------------------------------------------------------------------------------

    async def put_on_sale(self, seller: Person, *, stock: int, price: str = "12.50", **fields: Any) -> str:
        """A published listing; its id."""
        body = {
            "name": "Teapot",
            "price": {"amount": price, "currency": USD},
            "stockQuantity": stock,
            **fields,
        }
        listing_id: str = (await self.post("/listings", body, seller)).data["listingId"]
        _ = (await self.post(f"/listings/{listing_id}/publish", by=seller)).data
        return listing_id

    async def pay(self, order: dict[str, Any], customer: Person) -> None:
        """Pay for a placed order."""
        path = f"/payments/{order['paymentId']}/sandbox"
        key = f"pay-{order['paymentId']}"
        _ = (await self.insist(path, {"outcome": "succeeded"}, customer, key=key)).data

    async def buy(self, listing_id: str, customer: Person) -> dict[str, Any]:
        """An order for one piece, placed and paid."""
        placed: dict[str, Any] = (
            await self.insist("/orders", wish((listing_id, 1)), customer, key=uuid4().hex)
        ).data
        await self.pay(placed, customer)
        return placed

    async def stock_of(self, listing_id: str, seller: Person) -> tuple[int, int]:
        """How many pieces there are, and how many can be bought."""
        data = (await self.get(f"/listings/{listing_id}", seller)).data
        return data["quantity"], data["available"]

    async def caught_up(self) -> None:
        """Wait until every read model shows everything that is in the log by then."""
        admin = await self.admin()

        async def none_lags() -> bool:
            models = (await self.http.get(f"{API}/admin/projections", token=admin.token)).data
            return all(model["lag"] == 0 for model in models)

        await until(none_lags, "the read models have caught up")


class Shop(People):
    """A running installation, and what its people do there."""

    def __init__(self, daftar: Running, http: HttpClient) -> None:
        """`http` asks `daftar`."""
        super().__init__(http)
        self.daftar = daftar


def wish(*lines: tuple[str, int]) -> dict[str, Any]:
    """The body of an order of so many pieces of some listings; of the cart without any."""
    body: dict[str, Any] = {"paymentMethod": "sandbox", "shippingAddress": ADDRESS}
    if lines:
        body["items"] = [{"listingId": listing_id, "quantity": quantity} for listing_id, quantity in lines]
    return body


@asynccontextmanager
async def open_shop(daftar: Running, *, connections: int = 64) -> AsyncIterator[Shop]:
    """Its people, as long as the installation runs."""
    async with HttpClient(daftar.url, connections=connections, timeout_seconds=20) as http:
        yield Shop(daftar, http)


async def until(true: Callable[[], Awaitable[T]], fact: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Wait for what other processes do; returns what made it true.

    Raises:
        AssertionError: it does not become true.
    """
    deadline = time.monotonic() + seconds
    while True:
        if result := await true():
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {fact}"
        await asyncio.sleep(0.05)


class MailBox:
    """What the mail sink took for one shop's people."""

    def __init__(self, folder: Path | None, shop: Shop) -> None:
        """`folder` is the sink's."""
        assert folder is not None
        self._folder = folder
        self._suffix = f".{shop.run}@journey.example"
        self._read: dict[Path, EmailMessage] = {}

    def mails(self) -> list[EmailMessage]:
        """All of them, in order of arrival."""
        for path in sorted(self._folder.glob("*.eml")):
            if path not in self._read:
                self._read[path] = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        return [mail for mail in self._read.values() if str(mail["Delivered-To"]).endswith(self._suffix)]

    def subjects(self, address: str) -> list[str]:
        """What one person got."""
        return [str(mail["Subject"]) for mail in self.mails() if mail["Delivered-To"] == address]

    async def until_all_have_come(self, expected: set[tuple[str, str]]) -> None:
        """Wait for mails, named by recipient and subject.

        Raises:
            AssertionError: some do not come.
        """

        async def come() -> bool:
            return expected <= {(mail["Delivered-To"], mail["Subject"]) for mail in self.mails()}

        await until(come, f"{len(expected)} mails have come", 60)


def text_of(mail: EmailMessage) -> str:
    """The plain half of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    content: str = body.get_content()
    return content


def _token(by: Person | None) -> str | None:
    return None if by is None else by.token
