"""One order, as each of its people may see it."""

from datetime import date, timedelta

import msgspec
import pytest

from domain.accounts.events import AccountDeleted
from domain.orders.events import (
    NoteVisibility,
    OrderDelivered,
    OrderNoteAdded,
    OrderPlaced,
    OrderProcessingStarted,
    OrderRefunded,
    OrderShipped,
    OrderTrackingUpdated,
    Party,
)
from domain.shared.money import Money
from domain.shared.personal import ERASED, ERASED_ADDRESS
from projections.orders.order_detail import (
    HistoryEntry,
    OrderDetailProjection,
    OrderDetails,
    OrderView,
    Viewer,
)
from projections.payments.payment_ledger import PaymentLedgerProjection
from tests.projections.orders.makers import (
    ADA,
    ADDRESS,
    ADMIN,
    BEN,
    NOON,
    OTHER_SELLER,
    SELLER,
    Log,
    an_id,
    cancelled,
    confirmed,
    initiated,
    line,
    placed,
    showing,
    succeeded,
)

pytestmark = pytest.mark.services

CUSTOMER = Viewer(account_id=ADA)
STAFF = Viewer(account_id=ADMIN, is_admin=True)
STRANGER = Viewer(account_id=BEN)
MINUTE = timedelta(minutes=1)
PERSONAL = (
    "customer_name",
    "customer_email",
    "customer_phone",
    "shipping_address",
    "billing_address",
    "customer_notes",
)


def note(visibility: NoteVisibility, text: str, by: Party) -> OrderNoteAdded:
    """Somebody writes on the order."""
    return OrderNoteAdded(customer_id=ADA, visibility=visibility, text=text, by=by)


def sold() -> Log:
    """A mixed order, paid at the second attempt, with a note for each kind of reader."""
    log = Log().tell(
        "order",
        placed(
            line(1, "lamp", price=300, quantity=2),
            line(2, "rug", price=900, seller_id=OTHER_SELLER),
            tax=120,
            shipping=80,
        ),
    )
    log.tell("first try", initiated(amount=1_700))
    log.tell("payment", initiated(amount=1_700), succeeded(amount=1_700), at=NOON + MINUTE)
    log.tell("order", confirmed(at=NOON + MINUTE))
    log.tell("order", note(NoteVisibility.CUSTOMER, "Leave it at the door", Party.CUSTOMER), actor_id=ADA)
    log.tell("order", note(NoteVisibility.INTERNAL, "Pays late", Party.SELLER), actor_id=SELLER)
    return log


async def seen(database_url: str, log: Log, viewer: Viewer) -> OrderView | None:
    """The order on this viewer's screen."""
    async with showing(database_url, log, OrderDetailProjection(), PaymentLedgerProjection()) as reader:
        return await OrderDetails(reader).by_id(an_id("order"), viewer)


async def test_the_customer_sees_what_they_bought_and_paid_but_nothing_internal(database_url: str) -> None:
    order = await seen(database_url, sold(), CUSTOMER)
    assert order is not None
    assert order.seen_as is Party.CUSTOMER
    assert [(item.name, item.subtotal, item.commission_rate) for item in order.lines] == [
        ("Lamp", Money(600, "usd"), None),
        ("Rug", Money(900, "usd"), None),
    ]
    assert order.amounts is not None
    assert (order.amounts.subtotal, order.amounts.tax, order.amounts.shipping, order.amounts.total) == (
        Money(1_500, "usd"),
        Money(120, "usd"),
        Money(80, "usd"),
        Money(1_700, "usd"),
    )
    assert (order.customer_email, order.shipping_address, order.billing_address) == (
        "ada@example.org",
        ADDRESS,
        ADDRESS,
    )
    assert [(n.text, n.by, n.author_id) for n in order.notes] == [("Leave it at the door", "customer", None)]
    assert [(payment.payment_id, payment.status) for payment in order.payments] == [
        (an_id("payment"), "succeeded"),
        (an_id("first try"), "pending"),
    ]
    assert order.version == 4


async def test_a_seller_of_some_lines_sees_those_and_what_shipping_takes(database_url: str) -> None:
    order = await seen(database_url, sold(), Viewer(account_id=OTHER_SELLER))
    assert order is not None
    assert order.seen_as is Party.SELLER
    assert [(item.name, item.commission_rate) for item in order.lines] == [("Rug", 1_000)]
    assert (order.lines_subtotal, order.amounts) == (Money(900, "usd"), None)
    assert (order.customer_name, order.customer_phone) == ("Ada Byron", "+442071234567")
    assert (order.shipping_address, order.billing_address, order.customer_email) == (ADDRESS, None, None)
    assert order.payments == []
    assert [(n.text, n.author_id) for n in order.notes] == [
        ("Leave it at the door", ADA),
        ("Pays late", SELLER),
    ]


async def test_the_seller_of_all_lines_sees_the_whole_amount(database_url: str) -> None:
    order = await seen(database_url, Log().tell("order", placed(tax=80)), Viewer(account_id=SELLER))
    assert order is not None
    assert order.amounts is not None
    assert order.amounts.total == Money(1_080, "usd")


async def test_an_admin_sees_all_of_it(database_url: str) -> None:
    order = await seen(database_url, sold(), STAFF)
    assert order is not None
    assert order.seen_as is Party.ADMIN
    assert (len(order.lines), len(order.notes), len(order.payments)) == (2, 2, 2)
    assert order.customer_email == "ada@example.org"


async def test_a_stranger_learns_nothing(database_url: str) -> None:
    async with showing(database_url, sold(), OrderDetailProjection(), PaymentLedgerProjection()) as reader:
        orders = OrderDetails(reader)
        assert await orders.by_id(an_id("order"), STRANGER) is None
        assert await orders.by_number("ORD-20260501-00001", STRANGER) is None
        assert await orders.history(an_id("order"), STRANGER) is None
        assert await orders.by_id(an_id("no such order"), STAFF) is None


async def test_an_order_is_found_by_its_number(database_url: str) -> None:
    async with showing(database_url, sold(), OrderDetailProjection(), PaymentLedgerProjection()) as reader:
        order = await OrderDetails(reader).by_number("ORD-20260501-00001", CUSTOMER)
        assert await OrderDetails(reader).by_number("ORD-20260501-00002", CUSTOMER) is None
    assert order is not None
    assert order.order_id == an_id("order")


async def test_the_history_tells_when_who_and_why(database_url: str) -> None:
    log = Log().tell("order", placed())
    log.tell("order", confirmed(at=NOON + MINUTE))
    log.tell("order", OrderProcessingStarted(by=Party.SELLER), at=NOON + 2 * MINUTE)
    log.tell("order", OrderShipped(by=Party.SELLER, shipped_at=NOON + 3 * MINUTE))
    log.tell("order", OrderDelivered(by=Party.SYSTEM, delivered_at=NOON + 4 * MINUTE))
    log.tell(
        "order",
        OrderRefunded(
            payment_id=an_id("payment"), refunded=Money(1_000, "usd"), refunded_at=NOON + 5 * MINUTE
        ),
    )
    log.tell("other", placed(number="ORD-2"), cancelled(by=Party.ADMIN, reason="fraud", at=NOON + MINUTE))
    async with showing(database_url, log, OrderDetailProjection(), PaymentLedgerProjection()) as reader:
        orders = OrderDetails(reader)
        history = await orders.history(an_id("order"), CUSTOMER)
        called_off = await orders.history(an_id("other"), CUSTOMER)
        order = await orders.by_id(an_id("order"), CUSTOMER)
    assert history == [
        HistoryEntry("pending", NOON, "customer"),
        HistoryEntry("confirmed", NOON + MINUTE, "system"),
        HistoryEntry("processing", NOON + 2 * MINUTE, "seller"),
        HistoryEntry("shipped", NOON + 3 * MINUTE, "seller"),
        HistoryEntry("delivered", NOON + 4 * MINUTE, "system"),
        HistoryEntry("refunded", NOON + 5 * MINUTE, "system"),
    ]
    assert called_off == [
        HistoryEntry("pending", NOON, "customer"),
        HistoryEntry("cancelled", NOON + MINUTE, "admin", "fraud"),
    ]
    assert order is not None
    assert (order.status, order.entered("shipped"), order.entered("cancelled")) == (
        "refunded",
        NOON + 3 * MINUTE,
        None,
    )
    assert order.amounts is not None
    assert order.amounts.refunded == Money(1_000, "usd")


async def test_corrected_tracking_replaces_all_of_the_earlier(database_url: str) -> None:
    log = Log().tell("order", placed(), confirmed())
    log.tell(
        "order",
        OrderShipped(
            tracking_number="A1",
            tracking_url="https://carrier.example/A1",
            estimated_delivery=date(2026, 5, 9),
            by=Party.SELLER,
            shipped_at=NOON,
        ),
        OrderTrackingUpdated(tracking_number="A2"),
    )
    order = await seen(database_url, log, CUSTOMER)
    assert order is not None
    assert (order.tracking_number, order.tracking_url, order.estimated_delivery) == ("A2", None, None)
    assert order.status == "shipped"


async def test_of_a_forgotten_customer_only_the_trade_is_left(database_url: str) -> None:
    event = placed()
    forgotten = OrderPlaced(
        **{
            name: getattr(event, name)
            for name in event.__struct_fields__
            if not name.startswith("customer_") and not name.endswith("address") and name != "notes"
        },
        customer_id=ADA,
    )
    order = await seen(database_url, Log().tell("order", forgotten), STAFF)
    assert order is not None
    assert (order.customer_name, order.customer_email, order.shipping_address) == (
        ERASED,
        None,
        ERASED_ADDRESS,
    )
    assert order.lines_subtotal == Money(1_000, "usd")


async def test_when_a_customer_is_forgotten_their_orders_show_what_a_rebuild_shows(database_url: str) -> None:
    log = sold()
    log.tell("another order", placed(customer_id=BEN, number="ORD-20260501-00002"))
    log.tell(ADA, AccountDeleted(by=ADMIN))
    log.tell("order", OrderDelivered(by=Party.SELLER, delivered_at=NOON))
    async with showing(database_url, log, OrderDetailProjection()) as reader:
        hers = await reader.one("SELECT * FROM order_detail WHERE customer_id = %s", (ADA,))
        his = await reader.one("SELECT * FROM order_detail WHERE customer_id = %s", (BEN,))
    assert hers is not None
    assert his is not None
    assert {name: hers[name] for name in PERSONAL} == {
        "customer_name": ERASED,
        "customer_email": None,
        "customer_phone": None,
        "shipping_address": msgspec.to_builtins(ERASED_ADDRESS),
        "billing_address": None,
        "customer_notes": None,
    }
    assert [(each["text"], each["by"]) for each in hers["notes"]] == [
        (ERASED, "customer"),
        (ERASED, "seller"),
    ]
    assert (hers["version"], hers["status"], hers["total_minor"]) == (5, "delivered", 1_700)
    assert his["customer_email"] == "ada@example.org"
    assert his["shipping_address"]["first_name"] == "Ada"
