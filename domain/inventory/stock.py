"""The stock of one listing: never promised twice, never below zero (requirements LST-10, LST-14, LST-25, LST-26)."""

from typing import Final, assert_never
from uuid import UUID

import msgspec

from domain.inventory.events import (
    InventoryEvent,
    LowStockReached,
    LowStockThresholdSet,
    StockAdjusted,
    StockCommitted,
    StockDepleted,
    StockReleased,
    StockReplenished,
    StockReserved,
)
from domain.shared.claims import derived_id
from domain.shared.errors import InvalidInput, Problem, RuleViolation
from domain.shared.events import State

MAX_QUANTITY: Final = 1_000_000_000
"""More pieces of one listing than anybody stocks; keeps sums far from the limits of any reader's integers."""

DEFAULT_LOW_STOCK_THRESHOLD: Final = 10
"""Requirements LST-10."""


class StockQuantityInvalid(InvalidInput):
    """A quantity or threshold that no stock can have."""

    def __init__(self, field: str, message: str) -> None:
        """`field` is the name of the quantity in requests."""
        super().__init__(message, problems=[Problem(field, message, "range")])


class InsufficientStock(RuleViolation):
    """Fewer are available than were asked for."""

    code = "INSUFFICIENT_STOCK"


class StockBelowReserved(RuleViolation):
    """Orders hold more than the new quantity: cancel some first."""

    code = "STOCK_BELOW_RESERVED"


class ReservationUnknown(RuleViolation):
    """More would be released or sold than orders hold."""

    code = "RESERVATION_UNKNOWN"


def stock_id(listing_id: UUID) -> UUID:
    """The stream in which the stock of a listing lives."""
    return derived_id("stock", str(listing_id))


class Stock(State, frozen=True, kw_only=True):
    """How many of a listing are at hand (`quantity`) and how many of those orders hold (`reserved`).

    Which order holds how many is in the orders' own lines: an order releases or commits them at most once, in the
    commit of its own transition. So this state stays small however many orders are open.
    """

    stock_id: UUID
    listing_id: UUID
    seller_id: UUID
    quantity: int
    reserved: int
    threshold: int

    @property
    def stream_id(self) -> UUID:
        """Derived from the listing's id."""
        return self.stock_id

    @property
    def available(self) -> int:
        """How many can still be sold; never negative."""
        return self.quantity - self.reserved

    @staticmethod
    def open(listing_id: UUID, seller_id: UUID, quantity: int, threshold: int) -> list[InventoryEvent]:
        """Begin to keep stock of a new listing. Beginning low or with nothing is no crossing and tells nobody.

        Raises:
            StockQuantityInvalid: the quantity or the threshold is negative or beyond `MAX_QUANTITY`.
        """
        _check_range("stockQuantity", quantity)
        _check_range("lowStockThreshold", threshold)
        return [
            StockAdjusted(
                listing_id=listing_id,
                seller_id=seller_id,
                delta=quantity,
                new_quantity=quantity,
                reason="opening",
            ),
            LowStockThresholdSet(listing_id=listing_id, threshold=threshold),
        ]

    def reserve(self, order_id: UUID, quantity: int) -> list[InventoryEvent]:
        """Hold so many for an order.

        Raises:
            InsufficientStock: fewer are available.
            StockQuantityInvalid: less than one is asked for.
        """
        _check_positive(quantity)
        available = self.quantity - self.reserved
        if quantity > available:
            raise InsufficientStock(
                f"Only {available} of listing {self.listing_id} are available, {quantity} were asked for.",
                details={
                    "listingId": str(self.listing_id),
                    "available": available,
                    "requested": quantity,
                },
            )
        reserved = StockReserved(listing_id=self.listing_id, order_id=order_id, quantity=quantity)
        return [reserved, *self._crossings(available - quantity, self.threshold)]

    def release(self, order_id: UUID, quantity: int, reason: str) -> list[InventoryEvent]:
        """Put what an unpaid order holds up for sale again.

        Raises:
            ReservationUnknown: orders hold less.
            StockQuantityInvalid: less than one is released.
        """
        self._check_held(quantity)
        released = StockReleased(
            listing_id=self.listing_id, order_id=order_id, quantity=quantity, reason=reason
        )
        return [released, *self._crossings(self.available + quantity, self.threshold)]

    def commit(self, order_id: UUID, quantity: int) -> list[InventoryEvent]:
        """Sell what an order holds. What is available to others stays the same.

        Raises:
            ReservationUnknown: orders hold less.
            StockQuantityInvalid: less than one is sold.
        """
        self._check_held(quantity)
        return [StockCommitted(listing_id=self.listing_id, order_id=order_id, quantity=quantity)]

    def restock(self, order_id: UUID, quantity: int) -> list[InventoryEvent]:
        """Put back what was sold to an order that was called off before it left.

        Raises:
            StockQuantityInvalid: less than one is put back.
        """
        _check_positive(quantity)
        return self._adjusted(quantity, "order_cancelled", order_id)

    def adjust(
        self, *, new_quantity: int | None = None, delta: int | None = None, reason: str
    ) -> list[InventoryEvent]:
        """Correct the quantity at hand: give the new one, or how many more (or fewer) there are.

        Pieces that orders hold are at hand, too. Setting the quantity that stands changes nothing.

        Raises:
            StockBelowReserved: orders hold more than would be left.
            StockQuantityInvalid: both or neither are given, or there would be more than `MAX_QUANTITY`.
        """
        if new_quantity is not None and delta is None:
            change = new_quantity - self.quantity
        elif delta is not None and new_quantity is None:
            change = delta
        else:
            raise StockQuantityInvalid("quantity", "Give either the new quantity or the difference.")
        if change == 0:
            return []
        quantity = self.quantity + change
        if quantity > MAX_QUANTITY and change > 0:
            raise StockQuantityInvalid("quantity", f"A stock is at most {MAX_QUANTITY} pieces.")
        if quantity < self.reserved:
            raise StockBelowReserved(
                f"Orders hold {self.reserved} of listing {self.listing_id}; {quantity} would be left.",
                details={
                    "listingId": str(self.listing_id),
                    "reserved": self.reserved,
                    "requested": quantity,
                },
            )
        return self._adjusted(change, reason)

    def set_threshold(self, threshold: int) -> list[InventoryEvent]:
        """From how few available ones on the seller is told. Setting the one that stands changes nothing.

        Raises:
            StockQuantityInvalid: the threshold is negative or beyond `MAX_QUANTITY`.
        """
        _check_range("lowStockThreshold", threshold)
        if threshold == self.threshold:
            return []
        moved = LowStockThresholdSet(listing_id=self.listing_id, threshold=threshold)
        return [moved, *self._crossings(self.available, threshold)]

    def _adjusted(self, change: int, reason: str, order_id: UUID | None = None) -> list[InventoryEvent]:
        adjusted = StockAdjusted(
            listing_id=self.listing_id,
            seller_id=self.seller_id,
            delta=change,
            new_quantity=self.quantity + change,
            reason=reason,
            order_id=order_id,
        )
        return [adjusted, *self._crossings(self.available + change, self.threshold)]

    def _check_held(self, quantity: int) -> None:
        _check_positive(quantity)
        if quantity > self.reserved:
            raise ReservationUnknown(
                f"Orders hold {self.reserved} of listing {self.listing_id}, not {quantity}.",
                details={"listingId": str(self.listing_id), "reserved": self.reserved, "requested": quantity},
            )

    def _crossings(self, available: int, threshold: int) -> list[InventoryEvent]:
        """What sellers and buyers are told when the available count or the threshold moves."""
        before = self.quantity - self.reserved
        told: list[InventoryEvent] = []
        if available == 0:
            if before > 0:
                told.append(StockDepleted(listing_id=self.listing_id))
        elif before == 0:
            told.append(StockReplenished(listing_id=self.listing_id, new_quantity=available))
        if available <= threshold and before > self.threshold:
            told.append(
                LowStockReached(
                    listing_id=self.listing_id,
                    seller_id=self.seller_id,
                    quantity=available,
                    threshold=threshold,
                )
            )
        return told


def _check_positive(quantity: int) -> None:
    if quantity < 1:
        raise StockQuantityInvalid("quantity", f"A quantity is at least 1, not {quantity}.")


def _check_range(field: str, quantity: int) -> None:
    if not 0 <= quantity <= MAX_QUANTITY:
        raise StockQuantityInvalid(field, f"{field} is between 0 and {MAX_QUANTITY}, not {quantity}.")


def evolve(stock: Stock | None, event: InventoryEvent, stream_id: UUID) -> Stock:
    """Fold one recorded fact into the state."""
    if stock is None:
        assert isinstance(event, StockAdjusted), f"stream {stream_id} of a stock begins with StockAdjusted"
        return Stock(
            stock_id=stream_id,
            listing_id=event.listing_id,
            seller_id=event.seller_id,
            quantity=event.new_quantity,
            reserved=0,
            threshold=0,
        )
    match event:
        case StockReserved():
            return msgspec.structs.replace(stock, reserved=stock.reserved + event.quantity)
        case StockCommitted():
            return msgspec.structs.replace(
                stock,
                quantity=stock.quantity - event.quantity,
                reserved=stock.reserved - event.quantity,
            )
        case StockReleased():
            return msgspec.structs.replace(stock, reserved=stock.reserved - event.quantity)
        case StockAdjusted():
            return msgspec.structs.replace(stock, quantity=event.new_quantity)
        case LowStockThresholdSet():
            return msgspec.structs.replace(stock, threshold=event.threshold)
        case StockDepleted() | StockReplenished() | LowStockReached():
            return stock
        case _:
            assert_never(event)
