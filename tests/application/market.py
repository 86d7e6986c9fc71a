"""A whole little marketplace in memory: accounts, listings on sale, orders, payments, through the real handlers."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from application.accounts import handlers as accounts
from application.accounts.commands import NewSession, RegisterAccount
from application.carts import handlers as carts
from application.categories import handlers as categories
from application.inventory import handlers as inventory
from application.listings import handlers as listings
from application.listings.commands import CreateListing, PublishListing
from application.orders import handlers as orders
from application.orders.commands import PlaceOrder
from application.payments import handlers as payments
from application.payments.commands import RecordPaymentSuccess
from application.payouts import handlers as payouts
from application.shared.caller import SYSTEM, Caller
from domain.accounts.roles import AccountKind
from domain.inventory.stock import Stock, stock_id
from domain.inventory.stock import evolve as evolve_stock
from domain.listings.fields import ProductType
from domain.orders.amounts import OrderTerms
from domain.orders.lines import OrderLineRequest
from domain.orders.order import Order
from domain.payments.payment import Payment
from domain.payments.payment import evolve as evolve_payment
from domain.shared.money import Money
from domain.shared.personal import Address
from infrastructure.identity import new_id
from tests.support.commands import NOON, Shop, customer, seller, shop
from tests.support.given import fold

CONTEXTS = (accounts, carts, categories, inventory, listings, orders, payments, payouts)
TEAPOT_PRICE = Money(12_50)
CEILING = 99_999_999_99
TERMS = OrderTerms(tax_rate=800, commission_rate=1000, shipping_fees={"usd": 5_00})
ADDRESS = Address(
    first_name="Zebo",
    last_name="Karimova",
    address1="Amir Temur 1",
    city="Tashkent",
    postal_code="100000",
    country="UZ",
)


class Market:
    """A shop with what buying needs; whatever a test does not care about has a value."""

    def __init__(self, asked: Shop) -> None:
        self.shop = asked
        self.ask = asked.ask
        self.events_of = asked.events_of
        self.store = asked.store
        self.clock = asked.clock

    async def buyer(self, name: str = "Zebo", phone: str | None = None) -> Caller:
        """A registered customer."""
        return customer(await self._register(name, AccountKind.CUSTOMER, phone))

    async def seller(self, name: str = "Anvar") -> Caller:
        """A registered seller, taken as approved by their role."""
        return seller(await self._register(name, AccountKind.SELLER, None))

    async def listing(
        self,
        by: Caller,
        *,
        stock: int = 10,
        price: Money = TEAPOT_PRICE,
        published: bool = True,
        threshold: int = 0,
        sku: str | None = None,
        product_type: ProductType = ProductType.PHYSICAL,
    ) -> UUID:
        """A listing, on sale unless said otherwise."""
        listing_id = new_id()
        await self.ask(
            CreateListing(
                listing_id=listing_id,
                name="Teapot",
                price=price,
                price_ceiling=CEILING,
                stock_quantity=stock,
                low_stock_threshold=threshold,
                sku=sku,
                product_type=product_type,
            ),
            by,
        )
        if published:
            await self.ask(PublishListing(listing_id=listing_id), by)
        return listing_id

    async def order(self, by: Caller, *lines: tuple[UUID, int], **fields: Any) -> Order:
        """An order that was placed."""
        placed: Order = (await self.ask(wish(*lines, **fields), by)).result
        return placed

    async def pay(self, order: Order) -> Payment:
        """The provider has the money of an order's own payment."""
        assert order.payment_id is not None
        done = await self.ask(
            RecordPaymentSuccess(
                payment_id=order.payment_id,
                provider_transaction_id=f"txn-{order.payment_id}",
                received=order.total,
            ),
            SYSTEM,
        )
        payment: Payment = done.result.payment
        return payment

    def stock(self, listing_id: UUID) -> Stock:
        """The stock as the log tells it."""
        state: Stock = fold(evolve_stock, self.store.streams[stock_id(listing_id)], stock_id(listing_id))
        return state

    def payment(self, payment_id: UUID) -> Payment:
        """The payment as the log tells it."""
        state: Payment = fold(evolve_payment, self.store.streams[payment_id], payment_id)
        return state

    async def _register(self, name: str, kind: AccountKind, phone: str | None) -> UUID:
        account_id = new_id()
        await self.ask(
            RegisterAccount(
                account_id=account_id,
                kind=kind,
                email=f"{account_id.hex}@example.com",
                name=name,
                phone=phone,
                password_hash=b"$2b$12$",
                session=NewSession(session_id=new_id(), refresh_jti_hash="0" * 64, expires_at=NOON),
            )
        )
        return account_id


@asynccontextmanager
async def market(*more: Any) -> AsyncIterator[Market]:
    """A running marketplace."""
    contexts: Iterable[Any] = (*CONTEXTS, *more)
    handlers = {command: handler for context in contexts for command, handler in context.HANDLERS.items()}
    kinds = [kind for context in contexts for kind in context.KINDS]
    async with shop(handlers, kinds) as asked:
        yield Market(asked)


def wish(*lines: tuple[UUID, int], from_cart: bool = False, **fields: Any) -> PlaceOrder:
    """A wish to buy so many of some listings, or what is in the cart."""
    standard: dict[str, Any] = {
        "order_id": new_id(),
        "payment_id": new_id(),
        "lines": None
        if from_cart
        else tuple(OrderLineRequest(listing_id=listing_id, quantity=n) for listing_id, n in lines),
        "payment_method": "sandbox",
        "shipping_address": ADDRESS,
        "terms": TERMS,
    }
    return PlaceOrder(**(standard | fields))
