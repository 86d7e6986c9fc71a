"""What people were told. From answers alone follows how everything must stand, whatever happened behind them."""

from collections import Counter
from typing import Any

import msgspec

from tests.journeys.shop import Person


class PromiseBroken(Exception):
    """The house did not keep its word."""


class Told(msgspec.Struct, kw_only=True):
    """One order as its buyer was told of it, and how it must stand therefore.

    `payments` are those that were opened for it, by id with the status that each must have, `given_back` the minor units
    of each that must have been refunded; `paid_by` is the one that confirmed it.
    """

    key: str
    buyer: Person
    wanted: dict[str, int]
    order: dict[str, Any]
    round: int
    status: str = "pending"
    payments: dict[str, str] = {}
    given_back: dict[str, int] = {}
    paid_by: str | None = None
    delivered: bool = False

    @property
    def order_id(self) -> str:
        """The id that the buyer was given."""
        order_id: str = self.order["orderId"]
        return order_id

    @property
    def number(self) -> str:
        """The number that the buyer was given."""
        number: str = self.order["orderNumber"]
        return number

    @property
    def total(self) -> int:
        """What the buyer pays, in minor units."""
        total: int = self.order["total"]["minor"]
        return total


class Offer(msgspec.Struct, kw_only=True):
    """One listing as its seller was told of it. `stocked` is the opening stock with all corrections."""

    listing_id: str
    seller: Person
    stocked: int
    price: int
    opening_price: int


class Book:
    """What everybody was told."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.people: dict[str, Person] = {}
        self.sellers: list[Person] = []
        self.orders: dict[str, Told] = {}
        self.offers: dict[str, Offer] = {}
        self.commands = 0
        self.refusals: Counter[str] = Counter()
        self.again: Counter[str] = Counter()

    @property
    def asked_again(self) -> int:
        """How many requests had to be repeated."""
        return self.again.total()
