"""Buying and selling over HTTP in tests; whatever a test does not care about has a value."""

from typing import Any

import httpx

from tests.api.asking import data_of
from tests.api.conftest import Person

ADDRESS = {
    "firstName": "Zebo",
    "lastName": "Karimova",
    "address1": "Amir Temur 1",
    "city": "Tashkent",
    "postalCode": "100000",
    "country": "UZ",
    "phone": "+998901234567",
}
USD = "usd"


async def put_on_sale(
    client: httpx.AsyncClient, seller: Person, *, price: str = "12.50", stock: int = 10, **fields: Any
) -> str:
    """A published listing; its id."""
    body = {
        "name": "Teapot",
        "price": {"amount": price, "currency": USD},
        "stockQuantity": stock,
        **fields,
    }
    listing_id: str = data_of(await client.post("/listings", json=body, headers=seller.headers), 201)[
        "listingId"
    ]
    data_of(await client.post(f"/listings/{listing_id}/publish", headers=seller.headers))
    return listing_id


def wish(*lines: tuple[str, int], **fields: Any) -> dict[str, Any]:
    """The body of an order of so many pieces of some listings; of the cart without any."""
    body: dict[str, Any] = {"paymentMethod": "sandbox", "shippingAddress": ADDRESS}
    if lines:
        body["items"] = [{"listingId": listing_id, "quantity": quantity} for listing_id, quantity in lines]
    return {**body, **fields}


async def place(
    client: httpx.AsyncClient, buyer: Person, *lines: tuple[str, int], **fields: Any
) -> dict[str, Any]:
    """An order that was placed."""
    answer = await client.post("/orders", json=wish(*lines, **fields), headers=buyer.headers)
    placed: dict[str, Any] = data_of(answer, 201)
    return placed


async def play(
    client: httpx.AsyncClient, person: Person, payment_id: str, outcome: str = "succeeded", **fields: Any
) -> httpx.Response:
    """What the sandbox says of a payment."""
    return await client.post(
        f"/payments/{payment_id}/sandbox", json={"outcome": outcome, **fields}, headers=person.headers
    )


async def buy(client: httpx.AsyncClient, buyer: Person, *lines: tuple[str, int]) -> dict[str, Any]:
    """An order that was placed and paid."""
    placed = await place(client, buyer, *lines)
    data_of(await play(client, buyer, placed["paymentId"]))
    return placed
