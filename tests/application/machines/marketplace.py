"""The machine: people, providers and the house ask for anything, at any time, of two processes that come and go."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec import UNSET

from application.accounts.commands import (
    ApproveSeller,
    BootstrapSuperAdmin,
    ChangeAccountRole,
    NewSession,
    RegisterAccount,
)
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
from application.payments.desk import PaymentDesk
from application.payments.ports import GatewayRegistry, PaymentRequest
from application.payouts.policies import accrue_when_delivered
from application.shared.caller import SYSTEM, ActorKind, Caller
from application.shared.command import Command, IdempotencyKey
from domain.accounts.roles import AccountKind, Role
from domain.listings.fields import ProductType
from domain.orders.amounts import OrderTerms
from domain.orders.events import NoteVisibility
from domain.orders.lines import OrderLineRequest
from domain.orders.tracking import Tracking
from domain.shared.money import Money
from domain.shared.personal import Address
from infrastructure.bootstrap import PROJECTIONS
from infrastructure.payments.sandbox import SandboxGateway, SandboxOutcome
from tests.application.machines.books import check_books
from tests.application.machines.clerk import BEGINNING, Asked, Clerk, Ending, Tagging, Together
from tests.application.machines.model import target_of
from tests.application.machines.processes import Trouble
from tests.application.machines.screens import ScreensInMemory
from tests.application.machines.worlds import World

CEILING = 99_999_999_99
TELLER = "teller"
"""A provider of the machine's own: it names payments late, takes dollars only, and does as it is told."""

TELLER_CURRENCIES = frozenset({"usd"})
TIMEOUT_HOURS = 12
SANDBOX = SandboxGateway(b"a key that signs nothing of worth")
NOBODY = Caller()
PROVIDER = Caller(actor_kind=ActorKind.WEBHOOK)
ADDRESS = Address(
    first_name="Zebo",
    last_name="Karimova",
    address1="Amir Temur 1",
    city="Tashkent",
    postal_code="100000",
    country="UZ",
)
NAMES = ("Teapot", "Green teapot", "Cup", "Чайник")
SKUS = ("TEA-1", "TEA-2", "CUP-1")
CURRENCIES = ("usd", "usd", "uzs")
TERMS = (
    OrderTerms(tax_rate=800, commission_rate=1000, shipping_fees={"usd": 5_00}),
    OrderTerms(tax_rate=0, commission_rate=0, shipping_fees={}),
    OrderTerms(tax_rate=2_500, commission_rate=5_000, shipping_fees={"uzs": 15_000_00}),
)

WHICH = st.integers(min_value=0, max_value=999)
"""One of the things that there are; see `Marketplace._one`."""

QUANTITY = st.sampled_from((1,) * 8 + (2, 2, 2, 3, 3, 5, 8, 0, -1, 1000))
PIECES = st.integers(min_value=0, max_value=14)
PRICE = st.sampled_from((1, 5, 33, 12_50, 99_99, 1_000_000_01))
AT = st.integers(min_value=0, max_value=1)
WHO = st.sampled_from(("its own",) * 14 + ("admin", "another", "customer", "nobody", "house", "provider"))


@dataclass(frozen=True)
class How:
    """To which process, under a key or not, and naming which version."""

    at: int
    keyed: bool = False
    version: str = ""


HOW = st.sampled_from(
    (
        *(How(0), How(1), How(0), How(1), How(0, True), How(1, True), How(0, True), How(1, True)),
        *(How(0, version="right"), How(1, True, "right"), How(1, version="wrong"), How(0, True, "wrong")),
    )
)

OPTIONS = st.fixed_dictionaries(
    {
        "batch_size": st.sampled_from((256, 3, 1, 1)),
        "cached_states": st.sampled_from((100_000, 12, 1)),
        "snapshot_every": st.sampled_from((200, 4, 1)),
        "queue_size": st.sampled_from((4096, 4096, 3)),
    }
)


class Marketplace(RuleBasedStateMachine):
    """Buyers, sellers, staff, payment providers, workflows and misfortune."""

    def __init__(self, world: World, seen: Counter[str]) -> None:
        super().__init__()
        self.clerk = Clerk(world, seen)
        self.model = self.clerk.model
        self.history = self.clerk.history
        self.screens = world.screens
        self.together = Together()
        self.gathering = 1
        self.heard = 0
        self.customers: list[Caller] = []
        self.sellers: list[Caller] = []
        self.doubled = False
        self.patient = False
        self.is_sound = True

    # --- the beginning -------------------------------------------------------------------------------------

    @initialize(
        options=st.tuples(OPTIONS, OPTIONS),
        stock=st.lists(PIECES, min_size=4, max_size=4),
        sold=st.lists(st.tuples(WHICH, WHICH, st.integers(min_value=0, max_value=4)), max_size=6),
    )
    def open(
        self,
        options: tuple[dict[str, int], dict[str, int]],
        stock: list[int],
        sold: list[tuple[int, int, int]],
    ) -> None:
        """Two processes, three customers, three sellers (one waits to be let in), four listings, some orders."""
        for each in options:
            self.clerk.start(each)
        self.admin = self._staff()
        self.customers = [self._register(AccountKind.CUSTOMER) for _ in range(3)]
        self.sellers = [self._register(AccountKind.SELLER) for _ in range(3)]
        for seller in self.sellers[:2]:
            assert seller.actor_id is not None
            self.clerk.prepare(ApproveSeller(account_id=seller.actor_id), self.admin)
            self.model.accounts[seller.actor_id] = "approved"
        category_id = self.clerk.ids()
        self.clerk.prepare(CreateCategory(category_id=category_id, name="Tea things"), self.admin)
        self.model.categories[category_id] = "Tea things"
        for number, pieces in enumerate(stock):
            currency = "uzs" if number == 3 else "usd"
            sku = SKUS[number] if number < len(SKUS) else None
            self.create_listing(
                number % 2, How(number % 2), pieces, 1250, currency, sku, False, None, number != 2
            )
            self.put_on_shelf(4 * number, "its own", How(0), "publish")
        for number, (buyer, which, steps) in enumerate(sold):
            self.buy_one(buyer, which, How(number % 2))
            self.move_on(4 * number, steps, How(buyer % 2))

    def _staff(self) -> Caller:
        """An admin, whom a super admin made one of a customer."""
        chief_id = self.clerk.ids()
        self.clerk.prepare(
            BootstrapSuperAdmin(
                account_id=chief_id, email="root@example.com", name="Root", password_hash=b"$2b$12$"
            ),
            SYSTEM,
        )
        admin = self._register(AccountKind.CUSTOMER)
        assert admin.actor_id is not None
        self.clerk.prepare(
            ChangeAccountRole(account_id=admin.actor_id, role=Role.ADMIN),
            Caller(actor_id=chief_id, role="super_admin"),
        )
        return Caller(actor_id=admin.actor_id, role="admin")

    def _register(self, kind: AccountKind) -> Caller:
        account_id = self.clerk.ids()
        self.clerk.prepare(
            RegisterAccount(
                account_id=account_id,
                kind=kind,
                email=f"{account_id.hex}@example.com",
                name=f"{kind.value} {len(self.customers) + len(self.sellers)}",
                password_hash=b"$2b$12$",
                session=NewSession(
                    session_id=self.clerk.ids(), refresh_jti_hash="0" * 64, expires_at=BEGINNING
                ),
            ),
            NOBODY,
        )
        self.model.accounts[account_id] = "approved" if kind is AccountKind.CUSTOMER else "pending"
        return Caller(actor_id=account_id, role=kind.value)

    # --- listings ------------------------------------------------------------------------------------------

    @rule(
        seller=st.integers(min_value=0, max_value=3),
        how=HOW,
        pieces=PIECES,
        price=PRICE,
        currency=st.sampled_from(CURRENCIES),
        sku=st.none() | st.sampled_from(SKUS),
        filed=st.booleans(),
        compare=st.none() | PRICE,
        physical=st.booleans(),
    )
    def create_listing(
        self,
        seller: int,
        how: How,
        pieces: int,
        price: int,
        currency: str,
        sku: str | None,
        filed: bool,
        compare: int | None,
        physical: bool,
    ) -> None:
        self._ask(
            CreateListing(
                listing_id=self.clerk.ids(),
                name=NAMES[pieces % len(NAMES)],
                price=Money(price, currency),
                price_ceiling=CEILING,
                stock_quantity=pieces,
                low_stock_threshold=pieces // 3,
                sku=sku,
                compare_price=None if compare is None else Money(compare, currency),
                category_id=self._category(filed),
                product_type=ProductType.PHYSICAL if physical else ProductType.LICENSE,
            ),
            (*self.sellers, self.customers[0])[seller],
            how,
        )

    @rule(
        which=WHICH,
        who=WHO,
        how=HOW,
        price=st.none() | PRICE,
        sku=st.none() | st.sampled_from((*SKUS, "")),
        name=st.none() | st.sampled_from(NAMES),
        compare=st.none() | PRICE,
        filed=st.none() | st.booleans(),
        threshold=st.none() | PIECES,
    )
    def edit_listing(
        self,
        which: int,
        who: str,
        how: How,
        price: int | None,
        sku: str | None,
        name: str | None,
        compare: int | None,
        filed: bool | None,
        threshold: int | None,
    ) -> None:
        listing_id, owner, currency = self._listing(which)
        self._ask(
            ReviseListing(
                listing_id=listing_id,
                price_ceiling=CEILING,
                name=UNSET if name is None else name,
                price=UNSET if price is None else Money(price, currency),
                compare_price=UNSET if compare is None else Money(compare, currency),
                sku=UNSET if sku is None else sku or None,
                category_id=UNSET if filed is None else self._category(filed),
                low_stock_threshold=UNSET if threshold is None else threshold,
            ),
            self._caller(who, owner),
            how,
        )

    @rule(which=WHICH, who=WHO, how=HOW, price=PRICE | st.sampled_from((0, CEILING + 1)), other=st.booleans())
    def change_price(self, which: int, who: str, how: How, price: int, other: bool) -> None:
        listing_id, owner, currency = self._listing(which)
        if other and which % 5 == 0:
            currency = "eur"
        self._ask(
            ChangeListingPrice(listing_id=listing_id, price=Money(price, currency), price_ceiling=CEILING),
            self._caller(who, owner),
            how,
        )

    @rule(which=WHICH, who=WHO, how=HOW, what=st.sampled_from(("publish",) * 4 + ("take off", "archive")))
    def put_on_shelf(self, which: int, who: str, how: How, what: str) -> None:
        listing_id, owner, _ = self._listing(which)
        command: Command
        match what:
            case "publish":
                command = PublishListing(listing_id=listing_id)
            case "take off":
                command = DeactivateListing(listing_id=listing_id)
            case _:
                command = ArchiveListing(listing_id=listing_id)
        self._ask(command, self._caller(who, owner), how)

    @rule(
        which=WHICH,
        who=WHO,
        how=HOW,
        count=st.integers(min_value=-6, max_value=14),
        form=st.sampled_from(("new", "more", "more", "both")),
    )
    def count_stock(self, which: int, who: str, how: How, count: int, form: str) -> None:
        listing_id, owner, _ = self._listing(which)
        self._ask(
            AdjustStock(
                listing_id=listing_id,
                new_quantity=None if form == "more" else count,
                delta=None if form == "new" else count,
                reason="count",
            ),
            self._caller(who, owner),
            how,
        )

    @rule(which=WHICH, who=WHO, how=HOW, threshold=st.integers(min_value=-1, max_value=9))
    def set_threshold(self, which: int, who: str, how: How, threshold: int) -> None:
        listing_id, owner, _ = self._listing(which)
        self._ask(
            SetLowStockThreshold(listing_id=listing_id, threshold=threshold), self._caller(who, owner), how
        )

    @rule(
        which=WHICH,
        who=st.sampled_from(("admin",) * 6 + ("house", "another", "nobody")),
        how=HOW,
        what=st.sampled_from(("create", "rename", "rename", "delete")),
        name=st.sampled_from(("Tea things", "Tea and cups", "Посуда")),
    )
    def keep_categories(self, which: int, who: str, how: How, what: str, name: str) -> None:
        category_id = self._one(which, [], list(self.model.categories))
        command: Command
        match what:
            case "create":
                command = CreateCategory(category_id=self.clerk.ids(), name=name)
            case "rename":
                command = RenameCategory(category_id=category_id, name=name)
            case _:
                command = DeleteCategory(category_id=category_id)
        self._ask(command, self._caller(who, None), how)

    # --- carts ---------------------------------------------------------------------------------------------

    @rule(buyer=WHICH, which=WHICH, quantity=QUANTITY, how=HOW, exactly=st.booleans())
    def fill_cart(self, buyer: int, which: int, quantity: int, how: How, exactly: bool) -> None:
        listing_id, _, _ = self._listing(which, on_sale=True)
        kind: type[AddCartItem | ChangeCartItemQuantity] = AddCartItem
        caller = self._buyer(buyer)
        if exactly:
            kind = ChangeCartItemQuantity
            held = list(self.model.carts.get(caller.actor_id or UUID(int=0), ()))
            listing_id = held[which % len(held)] if held and which % 3 else listing_id
        self._ask(kind(listing_id=listing_id, quantity=quantity), caller, how)

    @rule(buyer=WHICH, which=WHICH, how=HOW, everything=st.booleans())
    def empty_cart(self, buyer: int, which: int, how: How, everything: bool) -> None:
        listing_id, _, _ = self._listing(which, on_sale=True)
        command = ClearCart() if everything else RemoveCartItem(listing_id=listing_id)
        self._ask(command, self._buyer(buyer), how)

    # --- orders --------------------------------------------------------------------------------------------

    @rule(
        buyer=WHICH,
        lines=st.lists(st.tuples(WHICH, QUANTITY), min_size=1, max_size=3),
        how=HOW,
        provider=st.sampled_from((SANDBOX.name, SANDBOX.name, TELLER)),
        terms=st.sampled_from(TERMS),
    )
    def buy(
        self, buyer: int, lines: list[tuple[int, int]], how: How, provider: str, terms: OrderTerms
    ) -> None:
        wanted: list[OrderLineRequest] = []
        for which, quantity in lines:
            listing_id, _, currency = self._listing(which, on_sale=True)
            if wanted and which % 10:
                listing_id = self._another_like(wanted, currency) or listing_id
            wanted.append(OrderLineRequest(listing_id=listing_id, quantity=quantity))
        self._place(buyer, tuple(wanted), how, provider, terms)

    def _another_like(self, wanted: Sequence[OrderLineRequest], currency: str) -> UUID | None:
        """A listing that goes with those: on sale, in one currency, of another seller if there is one."""
        taken = {line.listing_id for line in wanted}
        sellers = {self.model.listings[each].seller for each in taken & self.model.listings.keys()}
        like = [
            (thing.seller in sellers, listing_id)
            for listing_id, thing in self.model.listings.items()
            if (thing.status, thing.currency) == ("active", currency) and listing_id not in taken
        ]
        return min(like)[1] if like else None

    @rule(
        buyer=WHICH,
        how=HOW,
        provider=st.sampled_from((SANDBOX.name, SANDBOX.name, TELLER)),
        terms=st.sampled_from(TERMS),
    )
    def check_out(self, buyer: int, how: How, provider: str, terms: OrderTerms) -> None:
        full = [each for each in self.customers if self.model.carts.get(each.actor_id or UUID(int=0))]
        if full and buyer % 5:
            buyer = self.customers.index(full[buyer % len(full)])
        self._place(buyer, None, how, provider, terms)

    @rule(which=WHICH, wishes=st.lists(st.tuples(WHICH, AT), min_size=3, max_size=9), late=st.integers(0, 3))
    def rush(self, which: int, wishes: list[tuple[int, int]], late: int) -> None:
        """Everybody wants the same thing at the same moment, of both processes, while its seller counts it."""
        self._flush()
        self.gathering = len(wishes)
        self.clerk.processes[which % 2].store.late = late
        listing_id, seller, _ = self._listing(which, on_sale=True)
        for number, (buyer, at) in enumerate(wishes):
            if number and buyer % 5 == 0:
                count = AdjustStock(listing_id=listing_id, delta=buyer % 4 - 1, reason="count")
                self._ask(count, self._caller("its own", seller), How(at))
            else:
                self.buy_one(buyer, which, How(at, keyed=buyer % 3 == 0))

    @rule(buyer=WHICH, which=WHICH, how=HOW)
    def buy_one(self, buyer: int, which: int, how: How) -> None:
        listing_id, _, _ = self._listing(which, on_sale=True)
        wanted = (OrderLineRequest(listing_id=listing_id, quantity=1 + which % 2),)
        self._place(buyer, wanted, how, SANDBOX.name, TERMS[0])

    def _place(
        self,
        buyer: int,
        lines: tuple[OrderLineRequest, ...] | None,
        how: How,
        provider: str,
        terms: OrderTerms,
    ) -> None:
        payment_id = self.clerk.ids()
        self._ask(
            PlaceOrder(
                order_id=self.clerk.ids(),
                payment_id=payment_id,
                lines=lines,
                payment_method=provider,
                provider_reference=_reference(provider, payment_id),
                provider_currencies=_currencies(provider),
                shipping_address=ADDRESS,
                terms=terms,
            ),
            self._buyer(buyer),
            how,
        )

    @rule(
        which=WHICH,
        who=WHO,
        how=HOW,
        step=st.sampled_from(("process", "ship", "ship", "deliver", "deliver", "track", "note")),
        text=st.sampled_from(("1", "2", "fragile", "")),
    )
    def fulfil(self, which: int, who: str, how: How, step: str, text: str) -> None:
        command: Command
        match step:
            case "process":
                order_id = self._order(which, "confirmed")
                command = StartOrderProcessing(order_id=order_id)
            case "ship":
                order_id = self._order(which, "confirmed", "processing")
                command = ShipOrder(order_id=order_id, tracking=Tracking(number=text or None))
            case "deliver":
                order_id = self._order(which, "shipped")
                command = DeliverOrder(order_id=order_id)
            case "track":
                order_id = self._order(which, "shipped", "delivered")
                command = UpdateTracking(order_id=order_id, tracking=Tracking(number=text or None))
            case _:
                order_id = self._order(which)
                visibility = NoteVisibility.INTERNAL if which % 2 else NoteVisibility.CUSTOMER
                command = AddOrderNote(order_id=order_id, visibility=visibility, text=text)
        order = self.model.orders.get(order_id)
        owner = None if order is None else order.lines[0].seller
        if who == "its own" and order is not None and len({line.seller for line in order.lines}) > 1:
            owner = self.admin.actor_id if which % 3 else owner
        self._ask(command, self._caller(who, owner), how)

    @rule(which=WHICH, steps=st.integers(min_value=1, max_value=3), how=HOW)
    def move_on(self, which: int, steps: int, how: How) -> None:
        """An order goes its way as it should: paid, sent, arrived."""
        for _ in range(steps):
            order_id = self._order(which, "pending", "confirmed", "processing", "shipped")
            order = self.model.orders.get(order_id)
            if order is None:
                return
            match order.status:
                case "pending":
                    self._report(order.first_payment, "succeeded", PROVIDER, How(how.at, how.keyed))
                case "confirmed" | "processing":
                    self._ask(ShipOrder(order_id=order_id), self.admin, how)
                case "shipped":
                    self._ask(DeliverOrder(order_id=order_id), SYSTEM, how)

    @rule(which=WHICH, who=WHO, how=HOW, reason=st.sampled_from(("too slow", "too slow", " ")))
    def cancel_order(self, which: int, who: str, how: How, reason: str) -> None:
        order_id = self._order(which, "pending", "confirmed")
        order = self.model.orders.get(order_id)
        self._ask(
            CancelOrder(order_id=order_id, reason=reason),
            self._caller(who, None if order is None else order.customer),
            how,
        )

    @rule(which=WHICH, at=AT)
    def time_to_pay_is_over(self, which: int, at: int) -> None:
        self._ask(CancelUnpaidOrder(order_id=self._order(which, "pending")), SYSTEM, How(at))

    @rule(at=AT)
    def sweep(self, at: int) -> None:
        """What nobody paid in time is called off, all at once, by whichever process is at it."""
        self._flush()
        self.clerk.wait(TIMEOUT_HOURS)
        for number, (order_id, order) in enumerate(self.model.orders.items()):
            if order.status == "pending":
                command = CancelUnpaidOrder(order_id=order_id)
                self.together.asked.append(self.clerk.written(command, SYSTEM, at=(at + number) % 2))
        self._flush()

    # --- payments ------------------------------------------------------------------------------------------

    @rule(which=WHICH, how=HOW, provider=st.sampled_from((SANDBOX.name, TELLER)), who=WHO)
    def pay_anew(self, which: int, how: How, provider: str, who: str) -> None:
        orders = self.model.orders
        unpaid = [key for key, each in orders.items() if each.status == "pending"]
        waiting = [key for key in unpaid if self.model.open_payment(key, provider) is None]
        order_id = self._one(which, waiting or unpaid, list(orders))
        order = orders.get(order_id)
        payment_id = self.clerk.ids()
        self._ask(
            InitiatePayment(
                payment_id=payment_id,
                order_id=order_id,
                provider=provider,
                reference=_reference(provider, payment_id),
                currencies=_currencies(provider),
            ),
            self._caller(who, None if order is None else order.customer),
            How(how.at, how.keyed),
        )

    @rule(
        which=WHICH,
        how=HOW,
        times=st.integers(min_value=1, max_value=3),
        provider=st.sampled_from((SANDBOX.name, TELLER)),
    )
    def card_is_declined(self, which: int, how: How, times: int, provider: str) -> None:
        """A customer tries to pay, again and again."""
        for _ in range(times):
            self._report(self._payment(which, "pending"), "failed", PROVIDER, How(how.at))
            self.pay_anew(which, how, provider, "its own")

    @rule(which=WHICH, at=AT, keyed=st.booleans())
    def pay(self, which: int, at: int, keyed: bool) -> None:
        self._report(self._payment(which, "pending"), "succeeded", PROVIDER, How(at, keyed))

    @rule(
        which=WHICH,
        what=st.sampled_from(
            ("succeeded", "succeeded", "failed", "failed", "cancelled", "short", "foreign", "borrowed")
        ),
        who=st.sampled_from(("provider",) * 5 + ("house", "admin", "customer")),
        how=HOW,
    )
    def provider_reports(self, which: int, what: str, who: str, how: How) -> None:
        """Whatever a provider may say, also too late, and twice."""
        payment_id = self._payment(which, "pending", "failed", "cancelled")
        self._report(payment_id, what, self._caller(who, None), How(how.at, how.keyed))

    def _report(self, payment_id: UUID, what: str, caller: Caller, how: How) -> None:
        payment = self.model.payments.get(payment_id)
        state = None if payment is None else self.history.state(payment_id)
        amount = Money(1) if payment is None else Money(payment.amount, payment.currency)
        command: Command
        if state is not None and state.provider == SANDBOX.name and what in set(SandboxOutcome):
            request = PaymentRequest.of(state)
            command = SANDBOX.callback(request, SandboxOutcome(what), at=self.clerk.now)
        elif what == "failed":
            command = RecordPaymentFailure(payment_id=payment_id, reason="no cover")
        elif what == "cancelled":
            command = CancelPayment(payment_id=payment_id, reason="expired")
        else:
            transaction = f"transaction {payment_id}"
            if what == "short":
                amount = Money(amount.minor - 1, amount.currency)
            elif what == "foreign":
                amount = Money(amount.minor, "eur")
            elif what == "borrowed":
                transaction = self._borrowed(payment_id) or transaction
            command = RecordPaymentSuccess(
                payment_id=payment_id,
                provider_transaction_id=transaction,
                received=amount,
                provider_event_id=None if what != "short" else "report",
            )
        self._ask(command, caller, how)

    def _borrowed(self, payment_id: UUID) -> str | None:
        """A name by which the provider knows another payment."""
        payment = self.model.payments.get(payment_id)
        for other_id, other in reversed(self.model.payments.items()):
            if payment is not None and other_id != payment_id and other.provider == payment.provider:
                return other.transaction or other.reference
        return None

    @rule(which=WHICH, at=AT, other=st.booleans(), who=st.sampled_from(("provider", "house", "customer")))
    def provider_names(self, which: int, at: int, other: bool, who: str) -> None:
        payment_id = self._payment(which, "pending")
        reference = (self._borrowed(payment_id) if other else None) or f"name of {payment_id}"
        command = AssignProviderReference(payment_id=payment_id, reference=reference)
        self._ask(command, self._caller(who, None), How(at))

    @rule(which=WHICH, who=WHO, how=HOW, looking=st.booleans())
    def cancel_or_look_at_payment(self, which: int, who: str, how: How, looking: bool) -> None:
        payment_id = self._payment(which, "pending")
        payment = self.model.payments.get(payment_id)
        command: Command = CancelPayment(payment_id=payment_id, reason="changed my mind")
        if looking:
            command = ShowPayment(payment_id=payment_id)
        self._ask(command, self._caller(who, None if payment is None else payment.customer), how)

    @rule(
        which=WHICH,
        who=st.sampled_from(("admin",) * 4 + ("house", "customer", "nobody")),
        how=HOW,
        part=st.sampled_from(("all", "all", "half", "some", "too much", "nothing", "foreign")),
        again=st.booleans(),
        then=st.sampled_from(("", "goes", "goes", "fails")),
    )
    def ask_back(self, which: int, who: str, how: How, part: str, again: bool, then: str) -> None:
        payment_id = self._payment(which, "succeeded", "partially_refunded")
        payment = self.model.payments.get(payment_id)
        left = 1 if payment is None else payment.refundable
        currency = "usd" if payment is None else payment.currency
        amounts = {
            "all": None,
            "half": Money(left // 2, currency),
            "some": Money(1 + left // 3, currency),
            "too much": Money(left + 1, currency),
            "nothing": Money(0, currency),
            "foreign": Money(1, "eur"),
        }
        refunds = [] if payment is None else list(payment.refunds)
        refund_id = refunds[0] if again and which % 4 == 0 and refunds else self.clerk.ids()
        self._ask(
            RequestRefund(payment_id=payment_id, refund_id=refund_id, amount=amounts[part]),
            self._caller(who, None),
            how,
        )
        if then:
            self._give_back(payment_id, refund_id, then == "goes", PROVIDER, How(how.at))

    @rule(which=WHICH, went=st.sampled_from((True, True, False)), how=HOW)
    def provider_gives_back(self, which: int, went: bool, how: How) -> None:
        payment_id, refund_id = self._refund(which)
        self._give_back(payment_id, refund_id, went, PROVIDER if which % 7 else SYSTEM, how)

    def _give_back(self, payment_id: UUID, refund_id: UUID, went: bool, caller: Caller, how: How) -> None:
        command: Command
        if went:
            command = RecordRefund(payment_id=payment_id, refund_id=refund_id)
        else:
            command = RecordRefundFailure(payment_id=payment_id, refund_id=refund_id, reason="bank closed")
        self._ask(command, caller, how)

    @rule(which=WHICH, at=AT, what=st.sampled_from(("refund", "refund", "cancel", "recheck", "begin")))
    def desk(self, which: int, at: int, what: str) -> None:
        """The errands of the house: several commands, with the provider in between."""
        if what == "refund":
            payment_id, refund_id = self._refund(which)
        else:
            payment_id = self._payment(which, "pending")
        payment = self.model.payments.get(payment_id)
        caller = self._caller("its own", None if payment is None else payment.customer)
        state: Any = self.history.state(payment_id) if payment is not None else None

        def errand(counter: PaymentDesk) -> Awaitable[Any]:
            match what:
                case "refund":
                    return counter.carry_out_refund(payment_id, refund_id)
                case "cancel":
                    return counter.cancel(payment_id, caller, "changed my mind")
                case "recheck":
                    return counter.recheck(payment_id, caller)
                case _:
                    return counter.begin(state, caller)

        if what != "begin" or state is not None:
            self._send(at, errand)

    # --- the house -----------------------------------------------------------------------------------------

    @rule(at=AT, again=st.booleans())
    def earnings_workflow(self, at: int, again: bool) -> None:
        """Every delivery is told at least once."""
        self._flush()
        told = self.history.log if again else self.history.log[self.heard :]
        for number, command in enumerate(
            each for recorded in told for each in accrue_when_delivered(recorded)
        ):
            self.together.asked.append(self.clerk.written(command, SYSTEM, at=(at + number) % 2))
        self._flush()
        self.heard = self.history.position

    @rule(count=st.sampled_from((2, 5, 20, 300)), projector=AT)
    def screens_follow(self, count: int, projector: int) -> None:
        """A projector catches up, in batches of so many facts; in memory by one of them only."""
        self.screens.follow(self.history.log, count, projector)

    @rule(which=WHICH)
    def rebuild(self, which: int) -> None:
        """A read model is made anew while the shop is open."""
        if which % 4 == 0:
            self.screens.rebuild(which // 4)

    @rule(hours=st.sampled_from((1, 7, 25)))
    def time_goes_by(self, hours: int) -> None:
        self._flush()
        self.clerk.wait(hours)

    # --- misfortune ----------------------------------------------------------------------------------------

    @rule(
        count=st.integers(min_value=1, max_value=6),
        doubled=st.booleans(),
        ending=st.sampled_from((None, None, None, *Ending)),
    )
    def ask_together(self, count: int, doubled: bool, ending: Ending | None) -> None:
        """The next so many commands are asked at once, those under a key perhaps twice, and are perhaps cut short."""
        self._flush()
        self.gathering = count
        self.doubled = doubled
        self.together.ending = ending

    @rule(which=WHICH, at=AT, other=st.sampled_from((False, False, False, True)))
    def repeat(self, which: int, at: int, other: bool) -> None:
        """Somebody who has asked under a key asks again under it: the same, or something else."""
        keyed = [asked for asked in (*self.clerk.past, *self.together.asked) if asked.key is not None]
        if not keyed:
            return
        recent = [asked for asked in keyed[-6:] if asked.is_unanswered] or keyed[-3:]
        pool = recent if which % 2 else keyed
        asked = pool[which // 2 % len(pool)]
        key = asked.key
        assert key is not None
        if other:
            key = IdempotencyKey(key.scope, key.key, b"another request")
        self.together.asked.append(self._repeated(asked, at, key))
        self._flush_when_enough()

    def _repeated(self, asked: Asked, at: int, key: IdempotencyKey | None) -> Asked:
        command = self._anew(asked.command)
        version = asked.expected_version
        return self.clerk.written(command, asked.caller, at=at, key=key, expected_version=version)

    @rule(at=AT, trouble=st.sampled_from(Trouble), patient=st.booleans())
    def trouble_is_ahead(self, at: int, trouble: Trouble, patient: bool) -> None:
        """The next time; and those who get no answer then perhaps ask again, whomever they reach."""
        self._flush()
        self.clerk.processes[at].store.trouble = trouble
        self.patient = patient

    @rule(at=AT, options=OPTIONS, in_order=st.booleans())
    def another_process(self, at: int, options: dict[str, int], in_order: bool) -> None:
        """One process ends, or is killed while it rests, and another takes its place."""
        self._flush()
        self.clerk.end_one(at, in_order=in_order)
        self.clerk.replace(at, options)

    @rule(at=AT, late=st.integers(min_value=0, max_value=5))
    def road_is_long(self, at: int, late: int) -> None:
        """How long one process takes to reach the store."""
        self.clerk.processes[at].store.late = late

    # --- the end -------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """All is answered, all screens have caught up, and every book agrees with every other."""
        try:
            if self.is_sound and self.customers:
                self._flush()
                self._check_the_whole()
        finally:
            self.clerk.end()

    def _check_the_whole(self) -> None:
        self.clerk.compare_everything()
        log = self.history.log
        self.screens.follow(log, len(log))
        from_scratch = ScreensInMemory(PROJECTIONS)
        from_scratch.follow(log, len(log))
        expected = from_scratch.shown()
        assert self.screens.shown() == expected, "the screens do not show what a fold from scratch shows"
        check_books(self.model, self.history, expected)
        self.screens.rebuild(len(log))
        assert self.screens.shown() == expected, "a rebuild shows something else"

    # --- asking --------------------------------------------------------------------------------------------

    def _ask(self, command: Command, caller: Caller, how: How) -> None:
        key = None
        if how.keyed:
            number = len(self.clerk.past) + len(self.together)
            key = IdempotencyKey(caller.actor_id or UUID(int=0), f"key {number}", b"request %d" % number)
        target = target_of(command, caller)
        version = None
        if how.version and target is not None:
            version = self.history.version(target) + (how.version == "wrong")
        self.together.asked.append(
            self.clerk.written(command, caller, at=how.at, key=key, expected_version=version)
        )
        self._flush_when_enough()

    def _send(self, at: int, errand: Callable[[PaymentDesk], Awaitable[Any]]) -> None:
        together = self.together
        counter = PaymentDesk(GatewayRegistry([SANDBOX]), Tagging(self.clerk, at, together))
        together.errands.append((at, partial(errand, counter)))
        self._flush_when_enough()

    def _flush_when_enough(self) -> None:
        if len(self.together) >= self.gathering:
            self._flush()

    def _flush(self) -> None:
        together, self.together, self.gathering = self.together, Together(), 1
        if not len(together):
            return
        if self.doubled:
            self.doubled = False
            doubles = [
                self._repeated(one, number % 2, one.key)
                for number, one in enumerate(together.asked)
                if one.key
            ]
            together.asked.extend(doubles)
        self.is_sound = False
        self.clerk.carry(together)
        self.is_sound = True
        for at, process in enumerate(self.clerk.processes):
            if together.ending is not None or process.store.killed.is_set():
                self.clerk.replace(at, {})
        unanswered = [one for one in together.asked if one.key is not None and one.is_unanswered]
        if self.patient and unanswered:
            self.patient = False
            self.together.asked.extend(self._repeated(one, 1 - one.at, one.key) for one in unanswered)
            self._flush()

    def _anew(self, command: Command) -> Command:
        """The command that the edge makes of the same request: with new ids for what is new."""
        match command:
            case PlaceOrder():
                payment_id = self.clerk.ids()
                return msgspec.structs.replace(
                    command,
                    order_id=self.clerk.ids(),
                    payment_id=payment_id,
                    provider_reference=_reference(command.payment_method, payment_id),
                )
            case InitiatePayment():
                payment_id = self.clerk.ids()
                reference = _reference(command.provider, payment_id)
                return msgspec.structs.replace(command, payment_id=payment_id, reference=reference)
            case CreateListing():
                return msgspec.structs.replace(command, listing_id=self.clerk.ids())
            case RequestRefund():
                return msgspec.structs.replace(command, refund_id=self.clerk.ids())
            case _:
                return command

    # --- choosing ------------------------------------------------------------------------------------------

    def _one(self, which: int, fitting: Sequence[UUID], all_: Sequence[UUID]) -> UUID:
        """One of the fitting things, mostly; sometimes any, or what is no such thing at all."""
        if which % 50 == 49 or not all_:
            strangers = [self.clerk.ids(), *list(self.model.listings)[:1], *list(self.model.payments)[:1]]
            strangers += list(self.model.orders)[:1]
            strangers = [each for each in strangers if each not in all_]
            return strangers[which // 50 % len(strangers)]
        pool = fitting if fitting and which % 4 else all_
        return pool[which // 4 % len(pool)]

    def _listing(self, which: int, *, on_sale: bool = False) -> tuple[UUID, UUID | None, str]:
        """A listing, its seller, its currency."""
        listings = self.model.listings
        fitting = [key for key, each in listings.items() if each.status == "active" or not on_sale]
        listing_id = self._one(which, fitting, list(listings))
        thing = listings.get(listing_id)
        return (listing_id, None, "usd") if thing is None else (listing_id, thing.seller, thing.currency)

    def _order(self, which: int, *statuses: str) -> UUID:
        orders = self.model.orders
        return self._one(
            which, [key for key, each in orders.items() if each.status in statuses], list(orders)
        )

    def _payment(self, which: int, *statuses: str) -> UUID:
        payments = self.model.payments
        fitting = [key for key, each in payments.items() if each.status in statuses]
        return self._one(which, fitting, list(payments))

    def _refund(self, which: int) -> tuple[UUID, UUID]:
        payments = self.model.payments
        asked = [key for key, each in payments.items() if each.refunds]
        payment_id = self._one(which, asked, list(payments))
        payment = payments.get(payment_id)
        refunds = [] if payment is None else list(payment.refunds)
        return payment_id, refunds[which % len(refunds)] if refunds else self.clerk.ids()

    def _category(self, filed: bool) -> UUID | None:
        if not filed:
            return None
        return next(iter(self.model.categories), self.admin.actor_id)

    def _buyer(self, which: int) -> Caller:
        """A customer, mostly; sometimes a seller, one who waits to be let in, or nobody."""
        if which % 12 == 11:
            return (self.sellers[0], self.sellers[2], NOBODY, self.admin)[which // 12 % 4]
        return self.customers[which % len(self.customers)]

    def _caller(self, who: str, owner: UUID | None) -> Caller:
        match who:
            case "admin":
                return self.admin
            case "another":
                return self.sellers[1]
            case "customer":
                return self.customers[2]
            case "nobody":
                return NOBODY
            case "house":
                return SYSTEM
            case "provider":
                return PROVIDER
        known = (*self.customers, *self.sellers, self.admin)
        return next((each for each in known if each.actor_id == owner), self.customers[0])


def _reference(provider: str, payment_id: UUID) -> str | None:
    return SANDBOX.reference_for(payment_id) if provider == SANDBOX.name else None


def _currencies(provider: str) -> frozenset[str] | None:
    return TELLER_CURRENCIES if provider == TELLER else None
