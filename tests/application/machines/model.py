"""What a marketplace ought to do, told a second time in plain Python: dictionaries of whole numbers.

It knows no events, versions, claims or folds. For each command it says by which codes it may be refused, and else what
changes. Where several rules forbid a thing at once, any of their codes will do: which is told first is not promised.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import UNSET

from application.carts.commands import AddCartItem, ChangeCartItemQuantity, ClearCart, RemoveCartItem
from application.categories.commands import CreateCategory, DeleteCategory, RenameCategory
from application.inventory.commands import AdjustStock, SetLowStockThreshold
from application.listings.commands import (
    ArchiveListing,
    ChangeListingPrice,
    CreateListing,
    DeactivateListing,
    PublishListing,
    ReviseListing,
)
from application.orders.commands import (
    AddOrderNote,
    CancelOrder,
    CancelUnpaidOrder,
    DeliverOrder,
    PlaceOrder,
    ShipOrder,
    StartOrderProcessing,
    UpdateTracking,
)
from application.payments.commands import (
    AssignProviderReference,
    CancelPayment,
    InitiatePayment,
    RecordPaymentFailure,
    RecordPaymentSuccess,
    RecordRefund,
    RecordRefundFailure,
    RequestRefund,
    ShowPayment,
)
from application.payouts.commands import AccrueEarnings
from application.shared.caller import ActorKind, Caller
from application.shared.command import Command
from domain.carts.cart import cart_id
from domain.inventory.stock import stock_id
from domain.orders.events import NoteVisibility
from domain.shared.claims import derived_id
from domain.shared.money import Money

ANONYMOUS = "AUTHENTICATION_REQUIRED"
FORBIDDEN = "INSUFFICIENT_PERMISSIONS"
DENIED = "RESOURCE_ACCESS_DENIED"
MISSING = "RESOURCE_NOT_FOUND"
INVALID = "VALIDATION_ERROR"

MAX_CART_QUANTITY = 999
MAX_LINE_QUANTITY = 100_000
MAX_STOCK = 1_000_000_000
MAX_TOTAL = 2**53 - 1
WHOLE = 10_000


@dataclass
class ListedThing:
    """A listing with its stock."""

    seller: UUID
    currency: str
    price: int
    physical: bool
    quantity: int
    threshold: int
    name: str
    compare: int | None = None
    sku: str | None = None
    category: UUID | None = None
    status: str = "draft"
    reserved: int = 0

    @property
    def available(self) -> int:
        return self.quantity - self.reserved


@dataclass(frozen=True)
class SoldLine:
    """One line of an order, as it stays."""

    number: int
    listing: UUID
    seller: UUID
    quantity: int
    unit_price: int
    rate: int

    @property
    def subtotal(self) -> int:
        return self.unit_price * self.quantity


@dataclass
class OrderMade:
    """An order."""

    customer: UUID
    currency: str
    lines: tuple[SoldLine, ...]
    subtotal: int
    tax: int
    shipping: int
    total: int
    first_payment: UUID
    placed_at: Any
    status: str = "pending"
    paid_by: UUID | None = None
    tracking: Any = None
    notes: int = 0


@dataclass
class Returned:
    """A refund of a payment."""

    amount: int
    status: str = "requested"


@dataclass
class PaymentMade:
    """One attempt to pay."""

    order: UUID
    customer: UUID
    provider: str
    currency: str
    amount: int
    reference: str | None
    status: str = "pending"
    transaction: str | None = None
    mismatch: tuple[int, str, str | None] | None = None
    refunds: dict[UUID, Returned] = field(default_factory=dict)

    @property
    def captured(self) -> int:
        return self.amount if self.status in {"succeeded", "partially_refunded", "refunded"} else 0

    @property
    def refunded(self) -> int:
        return sum(each.amount for each in self.refunds.values() if each.status == "succeeded")

    @property
    def refundable(self) -> int:
        return self.captured - sum(each.amount for each in self.refunds.values() if each.status != "failed")


@dataclass
class Earned:
    """What a seller earned in a currency."""

    gross: int = 0
    commission: int = 0


Entity: TypeAlias = tuple[str, Any]
"""What changed: its kind, its key."""

Change: TypeAlias = Callable[[], None]


@dataclass
class Plan:
    """What a command would do: one of `refusals`, or else `change` (`None`: nothing needs to change).

    `perhaps` are codes by which it may be refused for reasons that the model leaves open. `answer` is what there is to
    say of a result that is no state.
    """

    refusals: frozenset[str] = frozenset()
    change: Change | None = None
    perhaps: frozenset[str] = frozenset()
    answer: Any = None


def refused(*codes: str) -> Plan:
    """It must not happen."""
    return Plan(refusals=frozenset(codes))


NOTHING = Plan()
"""It is as it was asked for already."""


def half_even(amount: int, basis_points: int) -> int:
    """So many basis points of an amount; a tie goes to the even one."""
    whole, rest = divmod(amount * basis_points, WHOLE)
    if 2 * rest > WHOLE or (2 * rest == WHOLE and whole % 2):
        whole += 1
    return whole


class Model:
    """One marketplace. `plan` changes nothing; what it returns does, when it is applied."""

    def __init__(self) -> None:
        self.accounts: dict[UUID, str] = {}
        self.categories: dict[UUID, str] = {}
        self.listings: dict[UUID, ListedThing] = {}
        self.carts: dict[UUID, dict[UUID, int]] = {}
        self.orders: dict[UUID, OrderMade] = {}
        self.payments: dict[UUID, PaymentMade] = {}
        self.earned: dict[tuple[UUID, str], Earned] = {}
        self.accrued: set[tuple[UUID, int]] = set()
        self.touched: set[Entity] = set()

    def plan(self, command: Command, caller: Caller, now: Any) -> Plan:
        """What this command would do at this moment."""
        return _PLANS[type(command)](self, command, caller, now)

    # --- listings and stock --------------------------------------------------------------------------------

    def create_listing(self, command: CreateListing, caller: Caller, _: Any) -> Plan:
        if caller.actor_id is None:
            return refused(ANONYMOUS)
        if caller.role not in {"seller", "admin"}:
            return refused(FORBIDDEN)
        price = command.price
        codes = set[str]()
        if not 1 <= price.minor <= command.price_ceiling:
            codes.add(INVALID)
        if command.compare_price is not None and not price.minor < command.compare_price.minor:
            codes.add(INVALID)
        if command.sku is not None and command.sku in self._skus():
            codes.add("SKU_TAKEN")
        if command.category_id is not None and command.category_id not in self.categories:
            codes.add(INVALID)
        if codes:
            return refused(*codes)
        seller = caller.actor_id

        def change() -> None:
            self.listings[command.listing_id] = ListedThing(
                seller=seller,
                currency=price.currency,
                price=price.minor,
                physical=command.product_type.value == "physical",
                quantity=command.stock_quantity,
                threshold=command.low_stock_threshold,
                name=command.name,
                compare=_minor(command.compare_price),
                sku=command.sku,
                category=command.category_id,
            )
            self._touch(("listing", command.listing_id), ("stock", command.listing_id))

        return Plan(change=change)

    def revise_listing(self, command: ReviseListing, caller: Caller, _: Any) -> Plan:
        codes = self._managing(command.listing_id, caller)
        if codes:
            return refused(*codes)
        thing = self.listings[command.listing_id]
        wanted: dict[str, Any] = {}
        if command.name is not UNSET:
            wanted["name"] = command.name
        codes, prices = self._pricing(thing, command.price, command.compare_price, command.price_ceiling)
        wanted |= prices
        if command.category_id is not UNSET:
            if command.category_id not in {None, thing.category, *self.categories}:
                codes.add(INVALID)
            wanted["category"] = command.category_id
        if command.sku is not UNSET:
            if command.sku is not None and command.sku in self._skus(but=command.listing_id):
                codes.add("SKU_TAKEN")
            wanted["sku"] = command.sku
        if command.low_stock_threshold is not UNSET:
            wanted["threshold"] = command.low_stock_threshold
        return refused(*codes) if codes else self._set(command.listing_id, wanted)

    def change_price(self, command: ChangeListingPrice, caller: Caller, _: Any) -> Plan:
        codes = self._managing(command.listing_id, caller)
        if codes:
            return refused(*codes)
        thing = self.listings[command.listing_id]
        codes, prices = self._pricing(thing, command.price, command.compare_price, command.price_ceiling)
        return refused(*codes) if codes else self._set(command.listing_id, prices)

    def publish_listing(self, command: PublishListing, caller: Caller, _: Any) -> Plan:
        codes = self._managing(command.listing_id, caller)
        return refused(*codes) if codes else self._set(command.listing_id, {"status": "active"})

    def deactivate_listing(self, command: DeactivateListing, caller: Caller, _: Any) -> Plan:
        codes = self._managing(command.listing_id, caller)
        if not codes and self.listings[command.listing_id].status == "draft":
            codes = {"LISTING_NOT_ACTIVE"}
        return refused(*codes) if codes else self._set(command.listing_id, {"status": "inactive"})

    def archive_listing(self, command: ArchiveListing, caller: Caller, _: Any) -> Plan:
        codes = self._managing(command.listing_id, caller)
        return refused(*codes) if codes else self._set(command.listing_id, {"status": "archived"})

    def adjust_stock(self, command: AdjustStock, caller: Caller, _: Any) -> Plan:
        codes = self._keeping(command.listing_id, caller)
        if codes:
            return refused(*codes)
        thing = self.listings[command.listing_id]
        if (command.new_quantity is None) == (command.delta is None):
            return refused(INVALID)
        wanted = thing.quantity + command.delta if command.delta is not None else command.new_quantity
        assert wanted is not None
        if wanted == thing.quantity:
            return NOTHING
        if wanted > MAX_STOCK and wanted > thing.quantity:
            codes.add(INVALID)
        if wanted < thing.reserved:
            codes.add("STOCK_BELOW_RESERVED")
        return refused(*codes) if codes else self._set(command.listing_id, {"quantity": wanted})

    def set_threshold(self, command: SetLowStockThreshold, caller: Caller, _: Any) -> Plan:
        codes = self._keeping(command.listing_id, caller)
        if not codes and not 0 <= command.threshold <= MAX_STOCK:
            codes = {INVALID}
        return refused(*codes) if codes else self._set(command.listing_id, {"threshold": command.threshold})

    def _managing(self, listing_id: UUID, caller: Caller) -> set[str]:
        """Why a caller may not change a listing."""
        if caller.actor_id is None and not caller.is_system:
            return {ANONYMOUS}
        thing = self.listings.get(listing_id)
        if thing is None:
            return {MISSING}
        if not (caller.is_system or caller.is_admin):
            owned = thing.seller == caller.actor_id
            if not (owned and caller.role == "seller"):
                return {DENIED} if owned or thing.status == "active" else {MISSING}
        return {"LISTING_ARCHIVED"} if thing.status == "archived" else set()

    def _keeping(self, listing_id: UUID, caller: Caller) -> set[str]:
        """Why a caller may not count a stock. Unlike a listing's text, an archived one's stock can be counted."""
        if caller.actor_id is None:
            return {ANONYMOUS}
        thing = self.listings.get(listing_id)
        if thing is None:
            return {MISSING}
        if thing.seller == caller.actor_id or caller.is_admin:
            return set()
        return {DENIED} if thing.status == "active" else {MISSING}

    def _pricing(
        self, thing: ListedThing, price: Any, compare: Any, ceiling: int
    ) -> tuple[set[str], dict[str, Any]]:
        """Why a price cannot be, and what would be set. What stays is not measured against the ceiling."""
        codes = set[str]()
        for money in (price, compare):
            if isinstance(money, Money) and money.currency != thing.currency:
                codes.add("CURRENCY_MISMATCH")
        new = thing.price if price is UNSET else price.minor
        new_compare = thing.compare if compare is UNSET else _minor(compare)
        if new != thing.price and not 1 <= new <= ceiling:
            codes.add(INVALID)
        if new_compare is not None:
            if new_compare != thing.compare and not 1 <= new_compare <= ceiling:
                codes.add(INVALID)
            if new_compare <= new and (new, new_compare) != (thing.price, thing.compare):
                codes.add(INVALID)
        return codes, {"price": new, "compare": new_compare}

    def _skus(self, but: UUID | None = None) -> set[str]:
        """Article numbers in use; those of archived listings are free again."""
        return {
            thing.sku
            for listing_id, thing in self.listings.items()
            if thing.sku is not None and thing.status != "archived" and listing_id != but
        }

    def _set(self, listing_id: UUID, wanted: dict[str, Any]) -> Plan:
        thing = self.listings[listing_id]
        if all(getattr(thing, name) == value for name, value in wanted.items()):
            return NOTHING

        def change() -> None:
            for name, value in wanted.items():
                setattr(thing, name, value)
            self._touch(("listing", listing_id), ("stock", listing_id))

        return Plan(change=change)

    # --- categories ----------------------------------------------------------------------------------------

    def create_category(self, command: CreateCategory, caller: Caller, _: Any) -> Plan:
        codes = _not_staff(caller)
        return refused(*codes) if codes else self._name_category(command.category_id, command.name)

    def rename_category(self, command: RenameCategory, caller: Caller, _: Any) -> Plan:
        codes = _not_staff(caller)
        if not codes and command.category_id not in self.categories:
            codes = {MISSING}
        return refused(*codes) if codes else self._name_category(command.category_id, str(command.name))

    def delete_category(self, command: DeleteCategory, caller: Caller, _: Any) -> Plan:
        codes = _not_staff(caller)
        if not codes and command.category_id not in self.categories:
            codes = {MISSING}
        if not codes and self.live_listings(command.category_id):
            codes = {"CATEGORY_IN_USE"}
        return refused(*codes) if codes else self._name_category(command.category_id, None)

    def live_listings(self, category_id: UUID) -> int:
        """How many listings that are not archived stand in a category."""
        things = self.listings.values()
        return sum(thing.category == category_id and thing.status != "archived" for thing in things)

    def _name_category(self, category_id: UUID, name: str | None) -> Plan:
        if name is not None and self.categories.get(category_id) == name:
            return NOTHING

        def change() -> None:
            if name is None:
                del self.categories[category_id]
            else:
                self.categories[category_id] = name
            self._touch(("category", category_id))

        return Plan(change=change)

    # --- carts ---------------------------------------------------------------------------------------------

    def add_cart_item(self, command: AddCartItem, caller: Caller, _: Any) -> Plan:
        return self._fill_cart(command.listing_id, command.quantity, caller, adding=True)

    def change_cart_item(self, command: ChangeCartItemQuantity, caller: Caller, _: Any) -> Plan:
        return self._fill_cart(command.listing_id, command.quantity, caller, adding=False)

    def remove_cart_item(self, command: RemoveCartItem, caller: Caller, _: Any) -> Plan:
        if caller.actor_id is None:
            return refused(ANONYMOUS)
        cart = dict(self.carts.get(caller.actor_id, {}))
        cart.pop(command.listing_id, None)
        return self._set_cart(caller.actor_id, cart)

    def clear_cart(self, _: ClearCart, caller: Caller, __: Any) -> Plan:
        return refused(ANONYMOUS) if caller.actor_id is None else self._set_cart(caller.actor_id, {})

    def _fill_cart(self, listing_id: UUID, quantity: int, caller: Caller, *, adding: bool) -> Plan:
        account = caller.actor_id
        if account is None:
            return refused(ANONYMOUS)
        codes = set[str]()
        thing = self.listings.get(listing_id)
        if thing is None or thing.status != "active" or thing.seller == account:
            codes.add("LISTING_UNAVAILABLE")
        if not 1 <= quantity <= MAX_CART_QUANTITY:
            codes.add(INVALID)
        held = self.carts.get(account, {}).get(listing_id)
        if held is None and not adding:
            codes.add("CART_ITEM_NOT_FOUND")
        wanted = quantity + held if adding and held is not None else quantity
        if wanted > MAX_CART_QUANTITY and adding and held is not None:
            codes.add("CART_QUANTITY_EXCEEDED")
        if codes:
            return refused(*codes)
        return self._set_cart(account, {**self.carts.get(account, {}), listing_id: wanted})

    def _set_cart(self, account: UUID, cart: dict[UUID, int]) -> Plan:
        if cart == self.carts.get(account, {}):
            return NOTHING

        def change() -> None:
            self.carts[account] = cart
            self._touch(("cart", account))

        return Plan(change=change)

    # --- orders --------------------------------------------------------------------------------------------

    def place_order(self, command: PlaceOrder, caller: Caller, now: Any) -> Plan:
        customer = caller.actor_id
        if customer is None:
            return refused(ANONYMOUS)
        if command.lines is None:
            wanted = dict(self.carts.get(customer, {}))
        else:
            wanted = {}
            for line in command.lines:
                wanted[line.listing_id] = wanted.get(line.listing_id, 0) + line.quantity
                if line.quantity < 1 or wanted[line.listing_id] > MAX_LINE_QUANTITY:
                    return refused(INVALID)
        if not wanted:
            return refused("EMPTY_CART")
        codes = set[str]()
        match self.accounts.get(customer):
            case "approved":
                pass
            case None:
                codes.add(ANONYMOUS)
            case _:
                codes.add(FORBIDDEN)
        for listing_id, quantity in wanted.items():
            thing = self.listings.get(listing_id)
            if thing is None or thing.status != "active" or thing.seller == customer:
                codes.add("LISTING_UNAVAILABLE")
            if thing is not None and quantity > thing.available:
                codes.add("INSUFFICIENT_STOCK")
        things = [self.listings[each] for each in wanted if each in self.listings]
        currencies = {thing.currency for thing in things}
        if len(currencies) > 1:
            codes.add("MIXED_CURRENCIES")
        if command.provider_currencies is not None and currencies - command.provider_currencies:
            codes.add("PAYMENT_PROVIDER_UNAVAILABLE")
        if codes:
            return refused(*codes)
        order = self._order(command, customer, wanted, now)
        if order.total > MAX_TOTAL:
            return refused("ORDER_TOTAL_OUT_OF_RANGE")

        def change() -> None:
            self.orders[command.order_id] = order
            self._touch(("order", command.order_id))
            for line in order.lines:
                self.listings[line.listing].reserved += line.quantity
                self._touch(("stock", line.listing))
            if command.lines is None:
                self.carts[customer] = {}
                self._touch(("cart", customer))
            self._open(
                command.payment_id,
                command.order_id,
                command.payment_method,
                command.provider_reference,
            )

        return Plan(change=change)

    def _order(self, command: PlaceOrder, customer: UUID, wanted: dict[UUID, int], now: Any) -> OrderMade:
        things = {listing_id: self.listings[listing_id] for listing_id in wanted}
        lines = tuple(
            SoldLine(
                number=number,
                listing=listing_id,
                seller=things[listing_id].seller,
                quantity=quantity,
                unit_price=things[listing_id].price,
                rate=command.terms.commission_rate,
            )
            for number, (listing_id, quantity) in enumerate(wanted.items(), start=1)
        )
        currency = next(iter(things.values())).currency
        subtotal = sum(line.subtotal for line in lines)
        tax = half_even(subtotal, command.terms.tax_rate)
        carried = any(thing.physical for thing in things.values())
        shipping = command.terms.shipping_fees.get(currency, 0) if carried else 0
        return OrderMade(
            customer=customer,
            currency=currency,
            lines=lines,
            subtotal=subtotal,
            tax=tax,
            shipping=shipping,
            total=subtotal + tax + shipping,
            first_payment=command.payment_id,
            placed_at=now,
        )

    def start_processing(self, command: StartOrderProcessing, caller: Caller, _: Any) -> Plan:
        return self._fulfil(command.order_id, caller, {"confirmed"}, "processing")

    def ship_order(self, command: ShipOrder, caller: Caller, _: Any) -> Plan:
        return self._fulfil(
            command.order_id, caller, {"confirmed", "processing"}, "shipped", tracking=command.tracking
        )

    def update_tracking(self, command: UpdateTracking, caller: Caller, _: Any) -> Plan:
        order = self.orders.get(command.order_id)
        plan = self._fulfil(
            command.order_id, caller, {"shipped", "delivered"}, None, tracking=command.tracking
        )
        if not plan.refusals and order is not None and order.tracking == command.tracking:
            return NOTHING
        return plan

    def deliver_order(self, command: DeliverOrder, caller: Caller, _: Any) -> Plan:
        return self._fulfil(command.order_id, caller, {"shipped"}, "delivered", house=True)

    def _fulfil(
        self,
        order_id: UUID,
        caller: Caller,
        before: set[str],
        after: str | None,
        *,
        tracking: Any = UNSET,
        house: bool = False,
    ) -> Plan:
        """The seller of all lines or an admin may, and the house where `house` says so."""
        party = self._party(order_id, caller)
        if party in {ANONYMOUS, "ORDER_NOT_FOUND"}:
            return refused(party)
        order = self.orders[order_id]
        alone = party == "seller" and all(line.seller == caller.actor_id for line in order.lines)
        if not (alone or party == "admin" or (party == "system" and house)):
            return refused(DENIED)
        if order.status not in before:
            return refused("INVALID_ORDER_STATE")

        def change() -> None:
            if after is not None:
                order.status = after
            if tracking is not UNSET:
                order.tracking = tracking
            self._touch(("order", order_id))

        return Plan(change=change)

    def cancel_order(self, command: CancelOrder, caller: Caller, _: Any) -> Plan:
        party = self._party(command.order_id, caller)
        if party in {ANONYMOUS, "ORDER_NOT_FOUND"}:
            return refused(party)
        if party == "seller":
            return refused(DENIED)
        order = self.orders[command.order_id]
        if order.status == "cancelled" and party == "customer":
            return NOTHING
        codes = set[str]()
        if order.status not in {"pending", "confirmed"}:
            codes.add("INVALID_ORDER_STATE")
        if not 1 <= len(command.reason.strip()) <= 500:
            codes.add(INVALID)
        return refused(*codes) if codes else self._call_off(command.order_id)

    def cancel_unpaid(self, command: CancelUnpaidOrder, caller: Caller, _: Any) -> Plan:
        if not caller.is_system:
            return refused(FORBIDDEN)
        order = self.orders.get(command.order_id)
        if order is None:
            return refused("ORDER_NOT_FOUND")
        return self._call_off(command.order_id) if order.status == "pending" else NOTHING

    def _call_off(self, order_id: UUID) -> Plan:
        order = self.orders[order_id]

        def change() -> None:
            for line in order.lines:
                thing = self.listings[line.listing]
                if order.status == "pending":
                    thing.reserved -= line.quantity
                else:
                    thing.quantity += line.quantity
                self._touch(("stock", line.listing))
            if order.paid_by is not None:
                self._ask_back(order.paid_by, "order_cancelled")
            order.status = "cancelled"
            self._touch(("order", order_id))

        return Plan(change=change)

    def add_note(self, command: AddOrderNote, caller: Caller, _: Any) -> Plan:
        party = self._party(command.order_id, caller)
        if party in {ANONYMOUS, "ORDER_NOT_FOUND"}:
            return refused(party)
        codes = set[str]()
        if party == "customer" and command.visibility is NoteVisibility.INTERNAL:
            codes.add(DENIED)
        if not 1 <= len(command.text.strip()) <= 2000:
            codes.add(INVALID)
        if codes:
            return refused(*codes)
        order = self.orders[command.order_id]

        def change() -> None:
            order.notes += 1
            self._touch(("order", command.order_id))

        return Plan(change=change)

    def _party(self, order_id: UUID, caller: Caller) -> str:
        """In which part a caller acts on an order, or by which code they are turned away."""
        if caller.actor_id is None and not caller.is_system:
            return ANONYMOUS
        order = self.orders.get(order_id)
        if order is None:
            return "ORDER_NOT_FOUND"
        if caller.is_system:
            return "system"
        if caller.is_admin:
            return "admin"
        if caller.actor_id == order.customer:
            return "customer"
        if any(line.seller == caller.actor_id for line in order.lines):
            return "seller"
        return "ORDER_NOT_FOUND"

    # --- payments ------------------------------------------------------------------------------------------

    def initiate_payment(self, command: InitiatePayment, caller: Caller, _: Any) -> Plan:
        order = self.orders.get(command.order_id)
        if caller.actor_id is None:
            return refused(ANONYMOUS, "ORDER_NOT_FOUND")
        if order is None or order.customer != caller.actor_id:
            return refused("ORDER_NOT_FOUND")
        if order.status != "pending":
            return refused("ORDER_NOT_PAYABLE")
        opened = self.open_payment(command.order_id, command.provider)
        if opened is not None:
            return Plan(answer=opened)
        if command.currencies is not None and order.currency not in command.currencies:
            return refused("PAYMENT_PROVIDER_UNAVAILABLE")
        return Plan(
            change=lambda: self._open(
                command.payment_id, command.order_id, command.provider, command.reference
            ),
            answer=command.payment_id,
        )

    def open_payment(self, order_id: UUID, provider: str) -> UUID | None:
        """The attempt that waits for its outcome: one of an order and provider at most."""
        waiting = [
            payment_id
            for payment_id, payment in self.payments.items()
            if (payment.order, payment.provider, payment.status) == (order_id, provider, "pending")
        ]
        assert len(waiting) <= 1, "two payments of an order are open with one provider"
        return waiting[0] if waiting else None

    def _open(self, payment_id: UUID, order_id: UUID, provider: str, reference: str | None) -> None:
        order = self.orders[order_id]
        self.payments[payment_id] = PaymentMade(
            order=order_id,
            customer=order.customer,
            provider=provider,
            currency=order.currency,
            amount=order.total,
            reference=reference,
        )
        self._touch(("payment", payment_id))

    def show_payment(self, command: ShowPayment, caller: Caller, _: Any) -> Plan:
        payment = self.payments.get(command.payment_id)
        if payment is None:
            return refused("PAYMENT_NOT_FOUND")
        if _is_house_or_provider(caller) or caller.is_admin:
            return NOTHING
        if caller.actor_id is None:
            return refused(ANONYMOUS)
        return NOTHING if payment.customer == caller.actor_id else refused("PAYMENT_NOT_FOUND")

    def assign_reference(self, command: AssignProviderReference, caller: Caller, _: Any) -> Plan:
        payment, codes = self._reported(command.payment_id, caller)
        if payment is None:
            return refused(*codes)
        if payment.reference not in {None, command.reference}:
            return refused("PROVIDER_REFERENCE_TAKEN")
        taken = self._name_is_taken(command.payment_id, payment.provider, command.reference)
        perhaps = frozenset({"PROVIDER_REFERENCE_TAKEN"} if taken else ())
        if payment.reference == command.reference:
            return Plan(perhaps=perhaps)

        def change() -> None:
            payment.reference = command.reference
            self._touch(("payment", command.payment_id))

        return Plan(change=change, perhaps=perhaps)

    def record_success(self, command: RecordPaymentSuccess, caller: Caller, _: Any) -> Plan:
        payment, codes = self._reported(command.payment_id, caller)
        if payment is None:
            return refused(*codes)
        payment_id = command.payment_id
        received = command.received
        if (received.minor, received.currency) != (payment.amount, payment.currency):
            report = (received.minor, received.currency, command.provider_event_id)

            def note() -> None:
                payment.mismatch = report
                self._touch(("payment", payment_id))

            return Plan(change=None if payment.mismatch == report else note, answer="mismatched")
        if payment.captured:
            return Plan(answer="known")
        order = self.orders[payment.order]
        taken = self._name_is_taken(payment_id, payment.provider, command.provider_transaction_id)

        def change() -> None:
            payment.status = "succeeded"
            payment.transaction = command.provider_transaction_id
            self._touch(("payment", payment_id))
            if order.status == "pending":
                self._confirm(payment.order, payment_id)
            else:
                cancelled = order.status == "cancelled"
                self._ask_back(payment_id, "order_cancelled" if cancelled else "order_already_paid")

        return Plan(
            change=change,
            perhaps=frozenset({"PROVIDER_REFERENCE_TAKEN"} if taken else ()),
            answer="order_confirmed" if order.status == "pending" else "refund_requested",
        )

    def _confirm(self, order_id: UUID, payment_id: UUID) -> None:
        order = self.orders[order_id]
        order.status = "confirmed"
        order.paid_by = payment_id
        self._touch(("order", order_id))
        for line in order.lines:
            thing = self.listings[line.listing]
            thing.quantity -= line.quantity
            thing.reserved -= line.quantity
            self._touch(("stock", line.listing))

    def _ask_back(self, payment_id: UUID, reason: str) -> None:
        """All that is left of a payment, once for each reason."""
        payment = self.payments[payment_id]
        refund_id = derived_id("refund", f"{payment_id}:{reason}")
        if payment.refundable and refund_id not in payment.refunds:
            payment.refunds[refund_id] = Returned(payment.refundable)
            self._touch(("payment", payment_id))

    def record_failure(self, command: RecordPaymentFailure, caller: Caller, _: Any) -> Plan:
        payment, codes = self._reported(command.payment_id, caller)
        return refused(*codes) if payment is None else self._end(command.payment_id, "failed")

    def cancel_payment(self, command: CancelPayment, caller: Caller, _: Any) -> Plan:
        payment = self.payments.get(command.payment_id)
        if payment is None:
            return refused("PAYMENT_NOT_FOUND")
        if caller.actor_kind is not ActorKind.WEBHOOK:
            if not (caller.is_system or caller.is_admin):
                if caller.actor_id is None:
                    return refused(ANONYMOUS)
                if payment.customer != caller.actor_id:
                    return refused("PAYMENT_NOT_FOUND")
            if payment.captured:
                return refused("PAYMENT_NOT_CANCELLABLE")
        return self._end(command.payment_id, "cancelled")

    def _end(self, payment_id: UUID, status: str) -> Plan:
        payment = self.payments[payment_id]
        if payment.status != "pending":
            return NOTHING

        def change() -> None:
            payment.status = status
            self._touch(("payment", payment_id))

        return Plan(change=change)

    def request_refund(self, command: RequestRefund, caller: Caller, _: Any) -> Plan:
        if not (caller.is_admin or caller.is_system):
            return refused(FORBIDDEN)
        payment = self.payments.get(command.payment_id)
        if payment is None:
            return refused("PAYMENT_NOT_FOUND")
        if command.refund_id in payment.refunds:
            return NOTHING
        if not payment.captured:
            return refused("PAYMENT_NOT_REFUNDABLE")
        codes = set[str]()
        left = payment.refundable
        wanted = left if command.amount is None else command.amount.minor
        if command.amount is not None and (command.amount.currency != payment.currency or wanted < 1):
            codes.add(INVALID)
        if wanted > left or left == 0:
            codes.add("REFUND_EXCEEDS_PAYMENT")
        if codes:
            return refused(*codes)

        def change() -> None:
            payment.refunds[command.refund_id] = Returned(wanted)
            self._touch(("payment", command.payment_id))

        return Plan(change=change)

    def record_refund(self, command: RecordRefund, caller: Caller, _: Any) -> Plan:
        payment, codes = self._reported(command.payment_id, caller)
        if payment is None:
            return refused(*codes)
        refund = payment.refunds.get(command.refund_id)
        if refund is None:
            return refused("REFUND_NOT_FOUND")
        if refund.status == "succeeded":
            return NOTHING
        if refund.status == "failed" and refund.amount > payment.refundable:
            return refused("REFUND_EXCEEDS_PAYMENT")

        def change() -> None:
            refund.status = "succeeded"
            full = payment.refunded == payment.amount
            payment.status = "refunded" if full else "partially_refunded"
            self._touch(("payment", command.payment_id))
            order = self.orders[payment.order]
            if full and order.paid_by == command.payment_id and order.status != "cancelled":
                order.status = "refunded"
                self._touch(("order", payment.order))

        return Plan(change=change)

    def record_refund_failure(self, command: RecordRefundFailure, caller: Caller, _: Any) -> Plan:
        payment, codes = self._reported(command.payment_id, caller)
        if payment is None:
            return refused(*codes)
        refund = payment.refunds.get(command.refund_id)
        if refund is None:
            return refused("REFUND_NOT_FOUND")
        if refund.status != "requested":
            return NOTHING

        def change() -> None:
            refund.status = "failed"
            self._touch(("payment", command.payment_id))

        return Plan(change=change)

    def _reported(self, payment_id: UUID, caller: Caller) -> tuple[PaymentMade | None, set[str]]:
        """The payment that a provider reports on, or why it may not."""
        if not _is_house_or_provider(caller):
            return None, {FORBIDDEN}
        payment = self.payments.get(payment_id)
        return payment, set() if payment is not None else {"PAYMENT_NOT_FOUND"}

    def _name_is_taken(self, payment_id: UUID, provider: str, name: str) -> bool:
        return any(
            name in {payment.reference, payment.transaction}
            for other, payment in self.payments.items()
            if other != payment_id and payment.provider == provider
        )

    # --- earnings ------------------------------------------------------------------------------------------

    def accrue(self, command: AccrueEarnings, caller: Caller, _: Any) -> Plan:
        if not caller.is_system:
            return refused(FORBIDDEN)
        order = self.orders.get(command.order_id)
        if order is None:
            return refused("ORDER_NOT_FOUND")
        if order.status == "refunded":
            return Plan(answer=0)
        if order.status != "delivered":
            return refused("ORDER_NOT_DELIVERED")
        due = [line for line in order.lines if (command.order_id, line.number) not in self.accrued]
        if not due:
            return Plan(answer=0)

        def change() -> None:
            for line in due:
                self.accrued.add((command.order_id, line.number))
                ledger = self.earned.setdefault((line.seller, order.currency), Earned())
                ledger.gross += line.subtotal
                ledger.commission += half_even(line.subtotal, line.rate)
                self._touch(("ledger", (line.seller, order.currency)))

        return Plan(change=change, answer=len(due))

    def _touch(self, *entities: Entity) -> None:
        self.touched.update(entities)


def target_of(command: Command, caller: Caller) -> UUID | None:
    """The stream whose state a command answers with; `None` when it answers otherwise, or with one not known before."""
    match command:
        case CreateCategory() | RenameCategory() | DeleteCategory():
            return command.category_id
        case AdjustStock() | SetLowStockThreshold():
            return stock_id(command.listing_id)
        case AddCartItem() | ChangeCartItemQuantity() | RemoveCartItem() | ClearCart():
            return None if caller.actor_id is None else cart_id(caller.actor_id)
        case InitiatePayment() | RecordPaymentSuccess() | AccrueEarnings():
            return None
        case PlaceOrder():
            return command.order_id
    for name in ("payment_id", "order_id", "listing_id"):
        found = getattr(command, name, None)
        if isinstance(found, UUID):
            return found
    return None


def _minor(money: Money | None) -> int | None:
    return None if money is None else money.minor


def _not_staff(caller: Caller) -> set[str]:
    """Why a caller may not do what is for admins and the house."""
    if caller.is_system or caller.is_admin:
        return set()
    return {ANONYMOUS} if caller.actor_id is None else {FORBIDDEN}


def _is_house_or_provider(caller: Caller) -> bool:
    return caller.is_system or caller.actor_kind is ActorKind.WEBHOOK


_PLANS: dict[type[Command], Callable[[Model, Any, Caller, Any], Plan]] = {
    CreateListing: Model.create_listing,
    ReviseListing: Model.revise_listing,
    ChangeListingPrice: Model.change_price,
    PublishListing: Model.publish_listing,
    DeactivateListing: Model.deactivate_listing,
    ArchiveListing: Model.archive_listing,
    AdjustStock: Model.adjust_stock,
    SetLowStockThreshold: Model.set_threshold,
    CreateCategory: Model.create_category,
    RenameCategory: Model.rename_category,
    DeleteCategory: Model.delete_category,
    AddCartItem: Model.add_cart_item,
    ChangeCartItemQuantity: Model.change_cart_item,
    RemoveCartItem: Model.remove_cart_item,
    ClearCart: Model.clear_cart,
    PlaceOrder: Model.place_order,
    StartOrderProcessing: Model.start_processing,
    ShipOrder: Model.ship_order,
    UpdateTracking: Model.update_tracking,
    DeliverOrder: Model.deliver_order,
    CancelOrder: Model.cancel_order,
    CancelUnpaidOrder: Model.cancel_unpaid,
    AddOrderNote: Model.add_note,
    InitiatePayment: Model.initiate_payment,
    ShowPayment: Model.show_payment,
    AssignProviderReference: Model.assign_reference,
    RecordPaymentSuccess: Model.record_success,
    RecordPaymentFailure: Model.record_failure,
    CancelPayment: Model.cancel_payment,
    RequestRefund: Model.request_refund,
    RecordRefund: Model.record_refund,
    RecordRefundFailure: Model.record_refund_failure,
    AccrueEarnings: Model.accrue,
}
