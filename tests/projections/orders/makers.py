"""Facts of trade for read models, and the screens that they make."""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
import psycopg
from psycopg import sql

from domain.carts.events import (
    CartCheckedOut,
    CartCleared,
    CartItemAdded,
    CartItemQuantityChanged,
    CartItemRemoved,
)
from domain.orders.events import (
    NoteVisibility,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderNoteAdded,
    OrderPlaced,
    OrderProcessingStarted,
    OrderRefunded,
    OrderShipped,
    OrderTrackingUpdated,
    Party,
)
from domain.payments.events import (
    MethodDetails,
    PaymentCancelled,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatchDetected,
    PaymentRefunded,
    PaymentSucceeded,
    ProviderReferenceAssigned,
    RefundFailed,
    RefundRequested,
)
from domain.payouts.events import EarningAccrued, EarningReversed
from domain.shared.events import DomainEvent, Metadata, Recorded
from domain.shared.money import Money, total
from domain.shared.personal import Address
from infrastructure.event_store.postgres import open_pool
from projections.shared import tracking
from projections.shared.projection import Projection
from projections.shared.reader import Reader
from projections.shared.rebuild import create_missing
from projections.shared.runner import project_all

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ADDRESS = Address(
    first_name="Ada",
    last_name="Byron",
    address1="1 Analytical Row",
    city="London",
    postal_code="W1",
    country="GB",
)


def an_id(name: str) -> UUID:
    """The same id for the same name, in every test and run."""
    return uuid5(UUID("01890000-0000-7000-8000-00000000d4f7"), name)


ADA, BEN, SELLER, OTHER_SELLER, ADMIN = map(an_id, ("ada", "ben", "seller", "other seller", "admin"))


class Log:
    """Facts in the order in which they were recorded, numbered as the store does."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.events: list[Recorded] = []
        self._versions: dict[UUID, int] = {}

    def tell(
        self, stream: UUID | str, *events: DomainEvent, at: datetime = NOON, actor_id: UUID | None = None
    ) -> "Log":
        """These facts of one stream happened next, at this time."""
        stream_id = an_id(stream) if isinstance(stream, str) else stream
        for event in events:
            version = self._versions[stream_id] = self._versions.get(stream_id, 0) + 1
            self.events.append(
                Recorded(
                    position=len(self.events) + 1,
                    stream_id=stream_id,
                    version=version,
                    event=event,
                    recorded_at=at + timedelta(seconds=1),
                    metadata=Metadata(
                        occurred_at=at,
                        command="Test",
                        command_id=stream_id,
                        correlation_id=stream_id,
                        actor_id=actor_id,
                    ),
                )
            )
        return self


def line(
    line_no: int,
    listing: str,
    *,
    seller_id: UUID = SELLER,
    price: int = 10_00,
    quantity: int = 1,
    currency: str = "usd",
) -> OrderLine:
    """One line of an order, with a commission of 10 %."""
    return OrderLine(
        line_no=line_no,
        listing_id=an_id(listing),
        seller_id=seller_id,
        name=listing.title(),
        product_type="physical",
        sku=None,
        unit_price=Money(price, currency),
        quantity=quantity,
        subtotal=Money(price * quantity, currency),
        commission_rate=1_000,
    )


def placed(
    *lines: OrderLine,
    number: str = "ORD-20260501-00001",
    customer_id: UUID = ADA,
    tax: int = 0,
    shipping: int = 0,
    at: datetime = NOON,
) -> OrderPlaced:
    """An order of some lines, or of one lamp."""
    items = lines or (line(1, "lamp"),)
    currency = items[0].subtotal.currency
    subtotal = total([item.subtotal for item in items], currency)
    return OrderPlaced(
        order_number=number,
        customer_id=customer_id,
        customer_name="Ada Byron",
        customer_email="ada@example.org",
        customer_phone="+442071234567",
        items=items,
        subtotal=subtotal,
        tax=Money(tax, currency),
        tax_rate=800,
        shipping=Money(shipping, currency),
        discount=Money(0, currency),
        total=subtotal + Money(tax + shipping, currency),
        payment_method="sandbox",
        payment_id=an_id(f"payment of {number}"),
        shipping_address=ADDRESS,
        billing_address=ADDRESS,
        notes="Ring twice",
        placed_at=at,
    )


def confirmed(payment: UUID | str = "payment", *, at: datetime = NOON) -> OrderConfirmed:
    """The order is paid."""
    return OrderConfirmed(payment_id=an_id(payment) if isinstance(payment, str) else payment, confirmed_at=at)


def cancelled(*, by: Party = Party.CUSTOMER, reason: str = "too slow", at: datetime = NOON) -> OrderCancelled:
    """The order is called off."""
    return OrderCancelled(by=by, reason=reason, cancelled_at=at)


def initiated(
    order: UUID | str = "order",
    *,
    amount: int = 10_00,
    currency: str = "usd",
    customer_id: UUID = ADA,
    provider: str = "sandbox",
) -> PaymentInitiated:
    """Somebody begins to pay."""
    return PaymentInitiated(
        order_id=an_id(order) if isinstance(order, str) else order,
        order_number="ORD-20260501-00001",
        customer_id=customer_id,
        provider=provider,
        amount=Money(amount, currency),
        method="card",
    )


def succeeded(*, amount: int = 10_00, currency: str = "usd", transaction: str = "tx-1") -> PaymentSucceeded:
    """The money is there."""
    return PaymentSucceeded(
        provider="sandbox",
        provider_transaction_id=transaction,
        amount=Money(amount, currency),
        performed_at=NOON,
        method_details=MethodDetails(type="card", last4="4242", brand="visa"),
    )


def refunded(
    refund: str, *, amount: int, so_far: int, full: bool, at: datetime = NOON, currency: str = "usd"
) -> PaymentRefunded:
    """Money went back."""
    return PaymentRefunded(
        refund_id=an_id(refund),
        amount=Money(amount, currency),
        total_refunded=Money(so_far, currency),
        full=full,
        refunded_at=at,
        provider_refund_id=f"re-{refund}",
    )


def accrued(
    order: UUID | str, line_no: int, gross: int, *, seller_id: UUID = SELLER, currency: str = "usd"
) -> EarningAccrued:
    """A delivered line earned its seller nine tenths."""
    commission = Money(gross, currency).share(1_000)
    return EarningAccrued(
        seller_id=seller_id,
        order_id=an_id(order) if isinstance(order, str) else order,
        line_no=line_no,
        gross=Money(gross, currency),
        commission=commission,
        commission_rate=1_000,
        net=Money(gross, currency) - commission,
    )


def taken_back(
    order: UUID | str, line_no: int, gross: int, *, seller_id: UUID = SELLER, currency: str = "usd"
) -> EarningReversed:
    """Some of that is taken back."""
    commission = Money(gross, currency).share(1_000)
    return EarningReversed(
        seller_id=seller_id,
        order_id=an_id(order) if isinstance(order, str) else order,
        line_no=line_no,
        gross=Money(gross, currency),
        commission=commission,
        net=Money(gross, currency) - commission,
    )


# --- screens -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def showing(database_url: str, log: Log, *projections: Projection) -> AsyncIterator[Reader]:
    """The screens after these facts."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_missing(connection, projections)
        for projection in projections:
            project_all(projection, log.events, connection)
    pool = await open_pool(database_url, min_size=1, max_size=2, name="test")
    try:
        yield Reader(pool)
    finally:
        await pool.close()


def rows_after(
    connection: psycopg.Connection[Any], projection: Projection, batches: Sequence[Sequence[Recorded]]
) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a new generation that was filled in these batches, by table."""
    connection.execute(tracking.DDL)
    generation = 1 + max([tracked.generation for tracked in tracking.all_tracked(connection)], default=0)
    tracking.begin_generation(connection, projection, generation, live=False)
    names = tracking.physical_names(projection, generation, live=False)
    for batch in batches:
        projection.apply(batch, connection, names)
    return {
        table.name: connection.execute(
            sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
                sql.SQL(", ").join(map(sql.Identifier, table.fields)),
                sql.Identifier(names[table.name]),
                sql.SQL(", ").join(map(sql.Identifier, table.key)),
            )
        ).fetchall()
        for table in projection.tables
    }


# --- whole lives -------------------------------------------------------------------------------------------


def many_lives(seed: int, orders: int) -> Log:
    """A season of trade: orders that go every way an order can go, told at the same time as each other."""
    dice = random.Random(seed)
    lives = [_life(dice, f"{seed}/{number}") for number in range(orders)]
    log = Log()
    at = NOON
    running: list[Iterator[tuple[UUID, DomainEvent]]] = []
    while lives or running:
        if lives and (not running or dice.random() < 0.3):
            running.append(lives.pop())
        life = dice.choice(running)
        fact = next(life, None)
        if fact is None:
            running.remove(life)
            continue
        stream_id, event = fact
        at += timedelta(minutes=dice.randrange(60))
        log.tell(stream_id, _moved(event, at), at=at, actor_id=ADMIN)
    return log


def _moved(event: DomainEvent, at: datetime) -> DomainEvent:
    """The same fact at another time."""

    fields = ("placed_at", "confirmed_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at")
    changes = {field: at for field in fields if hasattr(event, field)}
    return msgspec.structs.replace(event, **changes) if changes else event


def _life(dice: random.Random, name: str) -> Iterator[tuple[UUID, DomainEvent]]:
    order_id, payment_id = an_id(f"order {name}"), an_id(f"payment {name}")
    customer_id = an_id(f"customer {dice.randrange(9)}")
    currency = dice.choice(["usd", "uzs"])
    lines = [
        line(
            number + 1,
            f"listing {number}",
            seller_id=an_id(f"seller {dice.randrange(6)}"),
            price=dice.randrange(1, 10_000),
            quantity=dice.randrange(1, 5),
            currency=currency,
        )
        for number in range(dice.randrange(1, 5))
    ]
    for item in lines:
        yield (
            customer_id,
            CartItemAdded(account_id=customer_id, listing_id=item.listing_id, quantity=item.quantity),
        )
    listing_id = lines[0].listing_id
    yield customer_id, CartItemQuantityChanged(account_id=customer_id, listing_id=listing_id, quantity=7)
    match dice.randrange(3):
        case 0:
            yield customer_id, CartItemRemoved(account_id=customer_id, listing_id=listing_id)
        case 1:
            yield customer_id, CartCleared(account_id=customer_id)
        case _:
            yield customer_id, CartCheckedOut(account_id=customer_id, order_id=order_id)
    event = placed(*lines, number=f"ORD-{name}", customer_id=customer_id, tax=dice.randrange(100))
    amount = event.total.minor
    yield order_id, event
    yield payment_id, initiated(order_id, amount=amount, currency=currency, customer_id=customer_id)
    yield payment_id, ProviderReferenceAssigned(provider="sandbox", reference=f"ref {name}")
    note = OrderNoteAdded(
        customer_id=customer_id, visibility=NoteVisibility.INTERNAL, text="fragile", by=Party.SELLER
    )
    if dice.random() < 0.3:
        yield order_id, note
    if dice.random() < 0.2:
        yield payment_id, PaymentFailed(reason="no cover")
    if dice.random() < 0.1:
        yield payment_id, PaymentCancelled(reason="order_cancelled", cancelled_at=NOON)
        yield order_id, cancelled()
        return
    if dice.random() < 0.1:
        yield (
            payment_id,
            PaymentMismatchDetected(expected=Money(amount, currency), received=Money(1, currency)),
        )
    yield payment_id, succeeded(amount=amount, currency=currency, transaction=f"tx {name}")
    yield order_id, confirmed(payment_id)
    if dice.random() < 0.1:
        yield order_id, cancelled()
        yield payment_id, _asked(name, amount, currency)
        yield payment_id, refunded(name, amount=amount, so_far=amount, full=True, currency=currency)
        return
    yield order_id, OrderProcessingStarted(by=Party.SELLER)
    yield order_id, OrderShipped(tracking_number="1", by=Party.SELLER, shipped_at=NOON)
    yield order_id, OrderTrackingUpdated(tracking_number="2")
    yield order_id, OrderDelivered(by=Party.SYSTEM, delivered_at=NOON)
    for item in lines:
        ledger = an_id(f"ledger {item.seller_id} {currency}")
        yield (
            ledger,
            accrued(order_id, item.line_no, item.subtotal.minor, seller_id=item.seller_id, currency=currency),
        )
    if dice.random() < 0.2:
        yield payment_id, _asked(name, amount, currency)
        if dice.random() < 0.3:
            yield payment_id, RefundFailed(refund_id=an_id(name), reason="bank closed")
            return
        yield payment_id, refunded(name, amount=amount, so_far=amount, full=True, currency=currency)
        yield (
            order_id,
            OrderRefunded(payment_id=payment_id, refunded=Money(amount, currency), refunded_at=NOON),
        )
        first = lines[0]
        ledger = an_id(f"ledger {first.seller_id} {currency}")
        yield (
            ledger,
            taken_back(order_id, 1, first.subtotal.minor, seller_id=first.seller_id, currency=currency),
        )


def _asked(name: str, amount: int, currency: str) -> RefundRequested:
    return RefundRequested(refund_id=an_id(name), amount=Money(amount, currency), reason="wrong size")
