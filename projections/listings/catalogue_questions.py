"""What may be asked of the catalogue: which listings, and in what order (requirements SRCH-01 to SRCH-07)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from domain.shared.errors import InvalidInput, Problem
from projections.listings.standing import Standing


class SortField(StrEnum):
    """By what a list is sorted (requirement SRCH-02). `relevance` needs words to search for."""

    RELEVANCE = "relevance"
    CREATED_AT = "createdAt"
    PRICE = "price"
    AVERAGE_RATING = "averageRating"
    NAME = "name"
    VIEW_COUNT = "viewCount"


class Direction(StrEnum):
    """Upwards or downwards."""

    ASC = "asc"
    DESC = "desc"


class SearchOrder(StrEnum):
    """The orders of a search (requirement SRCH-06)."""

    RELEVANCE = "relevance"
    PRICE_LOW = "price_low"
    PRICE_HIGH = "price_high"
    RATING = "rating"
    NEWEST = "newest"


class Order(msgspec.Struct, frozen=True):
    """How a list is sorted. Relevance knows one direction, downwards."""

    field: SortField = SortField.CREATED_AT
    direction: Direction = Direction.DESC


NEWEST: Final = Order()
RELEVANCE: Final = Order(SortField.RELEVANCE)

SEARCH_ORDERS: Final[Mapping[SearchOrder, Order]] = {
    SearchOrder.RELEVANCE: RELEVANCE,
    SearchOrder.PRICE_LOW: Order(SortField.PRICE, Direction.ASC),
    SearchOrder.PRICE_HIGH: Order(SortField.PRICE, Direction.DESC),
    SearchOrder.RATING: Order(SortField.AVERAGE_RATING, Direction.DESC),
    SearchOrder.NEWEST: NEWEST,
}


class ListingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which listings are wanted.

    `text` is what a visitor typed. `category` is an id or a slug. Prices are minor units of `currency`, both ends
    included. `status` other than active, or `None` for any, is honoured for those who manage the listings of
    `seller_id` (SRCH-03); all others see what is on the shelf. `in_stock` leaves out what is sold out.
    """

    text: str | None = None
    category: UUID | str | None = None
    min_price: int | None = None
    max_price: int | None = None
    currency: str | None = None
    seller_id: UUID | None = None
    status: Standing | None = Standing.ACTIVE
    in_stock: bool = False

    def check_prices(self) -> None:
        """Refuse prices that no listing could have.

        Raises:
            InvalidInput: a price is asked for without its currency, or the lowest is above the highest.
        """
        low, high = self.min_price, self.max_price
        if (low is not None or high is not None) and self.currency is None:
            raise invalid("currency", "A price is of a currency.", "required")
        if low is not None and high is not None and low > high:
            raise invalid("minPrice", "The lowest price is above the highest.", "range")


def invalid(field: str, message: str, rule: str) -> InvalidInput:
    """A question that has no answer."""
    return InvalidInput(message, problems=[Problem(field, message, rule)])
