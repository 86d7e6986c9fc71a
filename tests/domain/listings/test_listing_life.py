"""Whatever a seller asks of a listing, in whatever order, its history stays honest."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import UNSET

from domain.listings.events import ListingArchived, ListingDeactivated, ListingEvent, ListingPublished
from domain.listings.listing import Listing, evolve
from domain.shared.errors import DomainError
from domain.shared.money import Money
from tests.domain.listings.makers import CATEGORY, OTHER_CATEGORY, SELLER
from tests.support.given import STREAM, fold

CEILING = 1_000
amounts = st.builds(Money, st.integers(-2, CEILING + 2), st.sampled_from(["usd", "usd", "usd", "eur"]))
maybe_amounts = st.one_of(st.none(), amounts)
weights = st.one_of(st.none(), st.decimals(allow_nan=True, allow_infinity=True), st.just(Decimal("2.5")))


class ListingLife(RuleBasedStateMachine):
    """One listing under a hasty seller."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[ListingEvent] = []

    @initialize(minor=st.integers(1, CEILING))
    def write(self, minor: int) -> None:
        self.history = Listing.create(
            seller_id=SELLER, name="Teapot", slug="teapot", price=Money(minor), price_ceiling=CEILING
        )

    @rule(price=st.one_of(st.just(UNSET), amounts), compare_price=st.one_of(st.just(UNSET), maybe_amounts))
    def change_price(self, price: Money, compare_price: Money | None) -> None:
        self._ask(
            lambda listing: listing.change_price(
                price=price, compare_price=compare_price, price_ceiling=CEILING
            )
        )

    @rule(cost_price=maybe_amounts)
    def change_cost_price(self, cost_price: Money | None) -> None:
        self._ask(lambda listing: listing.change_cost_price(cost_price, price_ceiling=CEILING))

    @rule(name=st.sampled_from(["Teapot", "Samovar"]), tags=st.sampled_from([(), ("tea",)]))
    def revise(self, name: str, tags: tuple[str, ...]) -> None:
        self._ask(lambda listing: listing.revise_description(name=name, tags=tags))

    @rule(category_id=st.sampled_from([None, CATEGORY, OTHER_CATEGORY]))
    def recategorise(self, category_id: object) -> None:
        self._ask(lambda listing: listing.recategorise(category_id))

    @rule(sku=st.one_of(st.none(), st.text(max_size=4)))
    def change_sku(self, sku: str | None) -> None:
        self._ask(lambda listing: listing.change_sku(sku))

    @rule(weight=weights)
    def change_packaging(self, weight: Decimal | None) -> None:
        self._ask(lambda listing: listing.change_packaging(weight=weight))

    @rule()
    def publish(self) -> None:
        self._ask(Listing.publish)

    @rule()
    def deactivate(self) -> None:
        self._ask(Listing.deactivate)

    @rule()
    def archive(self) -> None:
        self._ask(lambda listing: listing.archive(by=SELLER))

    @invariant()
    def costs_something_that_is_allowed(self) -> None:
        listing = self._listing()
        if listing is None:
            return
        assert 1 <= listing.price.minor <= CEILING
        assert listing.compare_price is None or listing.price.minor < listing.compare_price.minor <= CEILING
        assert listing.cost_price is None or 0 <= listing.cost_price.minor <= CEILING

    @invariant()
    def stays_in_one_currency(self) -> None:
        listing = self._listing()
        if listing is None:
            return
        given = [listing.price, listing.compare_price, listing.cost_price]
        assert {amount.currency for amount in given if amount is not None} == {"usd"}

    @invariant()
    def has_only_measures_that_can_be_kept(self) -> None:
        listing = self._listing()
        if listing is not None and listing.weight is not None:
            assert 0 <= listing.weight < 1_000_000
            assert listing.weight * 100 == int(listing.weight * 100)

    @invariant()
    def nothing_follows_the_archive(self) -> None:
        endings = [index for index, event in enumerate(self.history) if isinstance(event, ListingArchived)]
        assert endings in ([], [len(self.history) - 1])

    @invariant()
    def goes_on_and_off_the_shelf_in_turn(self) -> None:
        moves = [type(e) for e in self.history if isinstance(e, ListingPublished | ListingDeactivated)]
        assert moves == ([ListingPublished, ListingDeactivated] * len(moves))[: len(moves)]

    @invariant()
    def every_fact_changes_something(self) -> None:
        if len(self.history) > 1:
            before = fold(evolve, self.history[:-1], STREAM)
            assert before != self._listing()

    def _listing(self) -> Listing | None:
        listing: Listing | None = fold(evolve, self.history, STREAM)
        return listing

    def _ask(self, decide: Callable[[Listing], Sequence[ListingEvent]]) -> None:
        listing = self._listing()
        assert listing is not None
        with suppress(DomainError):  # A refusal is a good answer: it adds nothing.
            self.history = [*self.history, *decide(listing)]


TestListingLife = ListingLife.TestCase
TestListingLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
