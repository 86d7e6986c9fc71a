"""Facts for tests: values that do not matter are made here."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from domain.accounts.events import AccountRegistered
from domain.accounts.roles import AccountKind, AccountStatus, RegistrationChannel, Role
from domain.inventory.events import StockDepleted
from domain.orders.events import OrderConfirmed, OrderDelivered, OrderLine, OrderPlaced, OrderShipped, Party
from domain.shared.money import Money
from domain.shared.personal import Address
from infrastructure.identity import new_id

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SELLER = UUID("01890000-0000-7000-8000-00000000005e")


def depleted() -> StockDepleted:
    return StockDepleted(listing_id=new_id())


def registered(**changes: Any) -> AccountRegistered:
    fields: dict[str, Any] = {
        "email": "dilnoza@example.com",
        "name": "Dilnoza Karimova",
        "role": Role.CUSTOMER,
        "status": AccountStatus.APPROVED,
        "kind": AccountKind.CUSTOMER,
        "channel": RegistrationChannel.PASSWORD,
    }
    return AccountRegistered(**(fields | changes))


def placed(**changes: Any) -> OrderPlaced:
    line = OrderLine(
        line_no=1,
        listing_id=new_id(),
        seller_id=SELLER,
        name="Green tea <loose>",
        product_type="physical",
        sku=None,
        unit_price=Money(12_50),
        quantity=2,
        subtotal=Money(25_00),
        commission_rate=1000,
    )
    fields: dict[str, Any] = {
        "order_number": "ORD-20260501-00001",
        "customer_id": new_id(),
        "customer_name": "Dilnoza Karimova",
        "customer_email": "dilnoza@example.com",
        "items": (line,),
        "subtotal": Money(25_00),
        "tax": Money(2_00),
        "tax_rate": 800,
        "shipping": Money(5_00),
        "discount": Money(0),
        "total": Money(32_00),
        "payment_method": "sandbox",
        "shipping_address": Address(
            first_name="Dilnoza",
            last_name="Karimova",
            address1="Amir Temur 1",
            city="Tashkent",
            postal_code="100000",
            country="UZ",
        ),
        "placed_at": NOON,
    }
    return OrderPlaced(**(fields | changes))


def confirmed() -> OrderConfirmed:
    return OrderConfirmed(payment_id=new_id(), confirmed_at=NOON)


def shipped(**changes: Any) -> OrderShipped:
    fields: dict[str, Any] = {
        "tracking_number": "UZ123",
        "tracking_url": "https://track.example.com/UZ123",
        "estimated_delivery": date(2026, 5, 9),
        "by": Party.SELLER,
        "shipped_at": NOON,
    }
    return OrderShipped(**(fields | changes))


def delivered() -> OrderDelivered:
    return OrderDelivered(by=Party.SELLER, delivered_at=NOON)
