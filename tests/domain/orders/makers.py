"""Orders as tests need them: the values that matter are given, the rest is from here."""

from typing import Any
from uuid import UUID

from domain.orders.actor import Actor, Authority
from domain.orders.amounts import OrderTerms
from domain.orders.events import OrderEvent, OrderLine
from domain.orders.lines import frozen_line
from domain.orders.order import Order
from domain.shared.money import Money
from domain.shared.personal import Address
from tests.support.commands import NOON

ORDER = UUID("01890000-0000-7000-8000-0000000000b1")
PAYMENT = UUID("01890000-0000-7000-8000-0000000000e1")
TEAPOT = UUID("01890000-0000-7000-8000-00000000001a")
CUP = UUID("01890000-0000-7000-8000-00000000001b")

CUSTOMER = Actor(account_id=UUID("01890000-0000-7000-8000-0000000000c1"))
SELLER = Actor(account_id=UUID("01890000-0000-7000-8000-0000000000a1"))
OTHER_SELLER = Actor(account_id=UUID("01890000-0000-7000-8000-0000000000a2"))
STRANGER = Actor(account_id=UUID("01890000-0000-7000-8000-0000000000ff"))
ADMIN = Actor(account_id=UUID("01890000-0000-7000-8000-0000000000ad"), authority=Authority.ADMIN)

TERMS = OrderTerms(tax_rate=800, commission_rate=1000, shipping_fees={"uzs": 15_000_00})
ADDRESS = Address(
    first_name="Zebo",
    last_name="Karimova",
    address1="Amir Temur 1",
    city="Tashkent",
    postal_code="100000",
    country="UZ",
)


def line(**fields: Any) -> OrderLine:
    """Two teapots at 12.50 usd."""
    standard = {
        "line_no": 1,
        "listing_id": TEAPOT,
        "seller_id": SELLER.account_id,
        "name": "Teapot",
        "product_type": "physical",
        "sku": "TEA-1",
        "unit_price": Money(12_50),
        "quantity": 2,
        "commission_rate": 1000,
    }
    return frozen_line(**(standard | fields))


def placed(*lines: OrderLine, **fields: Any) -> list[OrderEvent]:
    """An order of these lines, or of two teapots."""
    standard = {
        "order_number": "ORD-20260501-00001",
        "customer_id": CUSTOMER.account_id,
        "customer_name": "Zebo",
        "customer_email": "zebo@example.com",
        "customer_phone": None,
        "lines": lines or (line(),),
        "terms": TERMS,
        "payment_method": "sandbox",
        "payment_id": PAYMENT,
        "shipping_address": ADDRESS,
        "billing_address": None,
        "notes": None,
        "at": NOON,
    }
    return Order.place(**(standard | fields))
