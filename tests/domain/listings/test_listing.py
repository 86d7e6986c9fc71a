"""A listing: what its seller may write, change, show and take away."""

from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from domain.listings.events import (
    CostPriceChanged,
    ListingArchived,
    ListingCreated,
    ListingDeactivated,
    ListingDescriptionRevised,
    ListingPriceChanged,
    ListingPublished,
    ListingRecategorised,
    ListingSkuChanged,
    PackagingChanged,
)
from domain.listings.fields import Dimensions, LicenceTerms, ListingInvalid, ProductType
from domain.listings.listing import (
    Listing,
    ListingIsArchived,
    ListingNotActive,
    ListingStatus,
    evolve,
)
from domain.listings.pricing import ListingCurrencyFixed, PriceInvalid
from domain.listings.slugs import SlugInvalid
from domain.shared.errors import InvalidInput
from domain.shared.money import Money
from tests.domain.listings.makers import ADMIN, CATEGORY, CEILING, OTHER_CATEGORY, SELLER, created
from tests.support.given import STREAM, given

given_listing = partial(given, evolve)
published = ListingPublished()
deactivated = ListingDeactivated(reason=None)
archived = ListingArchived(by=SELLER)


def write(**fields: Any) -> list[Any]:
    standard: dict[str, Any] = {
        "seller_id": SELLER,
        "name": "Teapot",
        "slug": "teapot",
        "price": Money(12_50),
        "price_ceiling": CEILING,
    }
    return list(Listing.create(**(standard | fields)))


def wrong_fields(refusal: InvalidInput) -> list[str]:
    return [problem.field for problem in refusal.problems]


class TestWriting:
    def test_a_new_listing_is_a_draft_in_the_currency_of_its_price(self) -> None:
        [event] = write(price=Money(90_000_00, "uzs"))
        listing = given_listing(event).state
        assert listing.status is ListingStatus.DRAFT
        assert listing.currency == "uzs"
        assert listing.stream_id == STREAM

    def test_everything_that_is_written_is_recorded(self) -> None:
        fields: dict[str, Any] = {
            "category_id": CATEGORY,
            "description": "A teapot for six.",
            "short_description": "For six people.",
            "compare_price": Money(20_00),
            "cost_price": Money(0),
            "sku": "TP-6",
            "weight": Decimal("1.25"),
            "dimensions": Dimensions(length=Decimal(20), width=Decimal(15), height=Decimal("12.5")),
            "tags": ("tea", "kitchen"),
            "seo_title": "Teapot",
            "seo_description": "Buy a teapot",
        }
        assert write(**fields) == [created(**fields)]

    def test_a_sku_is_kept_without_the_spaces_around_it(self) -> None:
        [event] = write(sku="  TP 6 ")
        assert event.sku == "TP 6"

    @pytest.mark.parametrize("sku", ["", "  ", " a ", "x" * 101])
    def test_a_sku_that_is_too_short_or_too_long_is_refused(self, sku: str) -> None:
        with pytest.raises(ListingInvalid) as refused:
            write(sku=sku)
        assert wrong_fields(refused.value) == ["sku"]

    @pytest.mark.parametrize("slug", ["T", "Tea-Pot", "tea pot", "tea--pot", "-tea", "tea-", "tea\n", "чай"])
    def test_a_slug_that_could_not_stand_in_an_address_is_refused(self, slug: str) -> None:
        with pytest.raises(SlugInvalid):
            write(slug=slug)

    @pytest.mark.parametrize(
        ("amounts", "field"),
        [
            ({"price": Money(0)}, "price"),
            ({"price": Money(-1)}, "price"),
            ({"price": Money(CEILING + 1)}, "price"),
            ({"compare_price": Money(12_50)}, "comparePrice"),
            ({"compare_price": Money(12_49)}, "comparePrice"),
            ({"compare_price": Money(CEILING + 1)}, "comparePrice"),
            ({"cost_price": Money(-1)}, "costPrice"),
            ({"compare_price": Money(20_00, "eur")}, "comparePrice"),
            ({"cost_price": Money(1_00, "eur")}, "costPrice"),
            ({"credit_amount": Money(0), "product_type": ProductType.CREDITS}, "creditAmount"),
            ({"credit_amount": Money(1_00, "eur"), "product_type": ProductType.CREDITS}, "creditAmount"),
        ],
    )
    def test_an_impossible_amount_is_refused_by_name(self, amounts: dict[str, Any], field: str) -> None:
        with pytest.raises(PriceInvalid) as refused:
            write(**amounts)
        assert wrong_fields(refused.value) == [field]

    def test_all_impossible_amounts_are_named_at_once(self) -> None:
        with pytest.raises(PriceInvalid) as refused:
            write(price=Money(0), cost_price=Money(-1))
        assert wrong_fields(refused.value) == ["price", "costPrice"]

    def test_the_lowest_and_the_highest_price_are_allowed(self) -> None:
        assert write(price=Money(1)) == [created(price=Money(1))]
        assert write(price=Money(CEILING)) == [created(price=Money(CEILING))]

    @pytest.mark.parametrize("weight", ["-0.01", "1000000", "1.234", "NaN", "Infinity", "1E+400", "1E-400"])
    def test_an_impossible_weight_is_refused(self, weight: str) -> None:
        with pytest.raises(ListingInvalid) as refused:
            write(weight=Decimal(weight))
        assert wrong_fields(refused.value) == ["weight"]

    def test_a_parcel_without_a_height_is_refused(self) -> None:
        flat = Dimensions(length=Decimal(1), width=Decimal("0.01"), height=Decimal(0))
        with pytest.raises(ListingInvalid) as refused:
            write(dimensions=flat)
        assert wrong_fields(refused.value) == ["dimensions.height"]

    def test_only_licences_have_licence_terms(self) -> None:
        with pytest.raises(ListingInvalid):
            write(licence_terms=LicenceTerms())
        [event] = write(licence_terms=LicenceTerms(valid_days=365), product_type=ProductType.LICENSE)
        assert event.licence_terms == LicenceTerms(max_activations=1, valid_days=365)

    @pytest.mark.parametrize("terms", [LicenceTerms(max_activations=0), LicenceTerms(valid_days=0)])
    def test_a_licence_that_never_works_is_refused(self, terms: LicenceTerms) -> None:
        with pytest.raises(ListingInvalid):
            write(licence_terms=terms, product_type=ProductType.LICENSE)

    def test_only_credits_have_a_credit_amount(self) -> None:
        with pytest.raises(ListingInvalid) as refused:
            write(credit_amount=Money(10_00))
        assert wrong_fields(refused.value) == ["creditAmount"]
        [event] = write(credit_amount=Money(10_00), product_type=ProductType.CREDITS)
        assert event.credit_amount == Money(10_00)


class TestOnAndOffTheShelf:
    def test_a_draft_is_published(self) -> None:
        given_listing(created()).when(Listing.publish).then(published)

    def test_publishing_twice_is_publishing_once(self) -> None:
        given_listing(created(), published).when(Listing.publish).then()

    def test_an_inactive_listing_is_published_again(self) -> None:
        given_listing(created(), published, deactivated).when(Listing.publish).then(published)

    def test_an_active_listing_is_taken_off_the_shelf_with_a_reason(self) -> None:
        given_listing(created(), published).when(Listing.deactivate, reason="broken mould").then(
            ListingDeactivated(reason="broken mould")
        )

    def test_taking_it_off_twice_is_taking_it_off_once(self) -> None:
        given_listing(created(), published, deactivated).when(Listing.deactivate).then()

    def test_a_draft_cannot_be_taken_off_the_shelf(self) -> None:
        refusal = given_listing(created()).when(Listing.deactivate).refused(ListingNotActive)
        assert refusal.code == "LISTING_NOT_ACTIVE"

    def test_an_archived_listing_is_not_active(self) -> None:
        assert given_listing(created(), published, archived).state.status is ListingStatus.ARCHIVED

    def test_archiving_names_who_did_it_and_why(self) -> None:
        given_listing(created(), published).when(Listing.archive, by=ADMIN, reason="counterfeit").then(
            ListingArchived(by=ADMIN, reason="counterfeit")
        )


class TestRevisingTheDescription:
    def test_what_is_not_mentioned_stays(self) -> None:
        given_listing(created(description="A teapot for six.", tags=("tea",))).when(
            Listing.revise_description, name="Large teapot"
        ).then(ListingDescriptionRevised(name="Large teapot", description="A teapot for six.", tags=("tea",)))

    def test_a_text_can_be_taken_away(self) -> None:
        given_listing(created(seo_title="Teapot!")).when(Listing.revise_description, seo_title=None).then(
            ListingDescriptionRevised(name="Teapot")
        )

    def test_the_same_words_are_no_revision(self) -> None:
        given_listing(created(tags=("tea",))).when(
            Listing.revise_description, name="Teapot", tags=("tea",)
        ).then()

    def test_a_new_name_keeps_the_address(self) -> None:
        revised = ListingDescriptionRevised(name="Samovar")
        assert given_listing(created(), revised).state.slug == "teapot"


change_price = partial(Listing.change_price, price_ceiling=CEILING)


class TestChangingThePrice:
    def test_the_old_price_is_remembered(self) -> None:
        given_listing(created()).when(change_price, price=Money(9_99)).then(
            ListingPriceChanged(old_price=Money(12_50), new_price=Money(9_99))
        )

    def test_the_compare_price_stays_when_only_the_price_changes(self) -> None:
        given_listing(created(compare_price=Money(20_00))).when(change_price, price=Money(15_00)).then(
            ListingPriceChanged(old_price=Money(12_50), new_price=Money(15_00), compare_price=Money(20_00))
        )

    def test_a_price_that_reaches_the_compare_price_is_refused(self) -> None:
        refusal = (
            given_listing(created(compare_price=Money(20_00)))
            .when(change_price, price=Money(20_00))
            .refused(PriceInvalid)
        )
        assert isinstance(refusal, PriceInvalid)
        assert wrong_fields(refusal) == ["comparePrice"]

    def test_price_and_compare_price_rise_together(self) -> None:
        given_listing(created(compare_price=Money(20_00))).when(
            change_price, price=Money(25_00), compare_price=Money(30_00)
        ).then(
            ListingPriceChanged(old_price=Money(12_50), new_price=Money(25_00), compare_price=Money(30_00))
        )

    def test_the_compare_price_can_be_taken_away(self) -> None:
        given_listing(created(compare_price=Money(20_00))).when(change_price, compare_price=None).then(
            ListingPriceChanged(old_price=Money(12_50), new_price=Money(12_50), compare_price=None)
        )

    def test_the_same_price_is_no_change(self) -> None:
        given_listing(created()).when(change_price, price=Money(12_50), compare_price=None).then()

    @pytest.mark.parametrize("minor", [-1, 0, CEILING + 1])
    def test_an_impossible_price_is_refused(self, minor: int) -> None:
        given_listing(created()).when(change_price, price=Money(minor)).refused(PriceInvalid)

    def test_a_lower_ceiling_does_not_lock_an_old_price(self) -> None:
        given_listing(created(price=Money(50_00), compare_price=Money(60_00))).when(
            Listing.change_price, compare_price=None, price_ceiling=10_00
        ).then(ListingPriceChanged(old_price=Money(50_00), new_price=Money(50_00)))

    def test_the_currency_of_a_listing_never_changes(self) -> None:
        ask = given_listing(created())
        refusal = ask.when(change_price, price=Money(12_50, "eur")).refused(ListingCurrencyFixed)
        assert refusal.code == "CURRENCY_MISMATCH"
        ask.when(change_price, compare_price=Money(99_00, "eur")).refused(ListingCurrencyFixed)
        ask.when(Listing.change_cost_price, cost_price=Money(1, "eur"), price_ceiling=CEILING).refused(
            ListingCurrencyFixed
        )

    def test_the_cost_price_is_noted_and_forgotten(self) -> None:
        change = partial(Listing.change_cost_price, price_ceiling=CEILING)
        given_listing(created()).when(change, cost_price=Money(0)).then(CostPriceChanged(cost_price=Money(0)))
        known = created(cost_price=Money(7_00))
        given_listing(known).when(change, cost_price=None).then(CostPriceChanged(cost_price=None))
        given_listing(known).when(change, cost_price=Money(7_00)).then()

    def test_a_negative_cost_price_is_refused(self) -> None:
        given_listing(created()).when(
            Listing.change_cost_price, cost_price=Money(-1), price_ceiling=CEILING
        ).refused(PriceInvalid)


class TestOtherChanges:
    def test_it_moves_to_another_category_or_to_none(self) -> None:
        filed = given_listing(created(category_id=CATEGORY))
        filed.when(Listing.recategorise, category_id=OTHER_CATEGORY).then(
            ListingRecategorised(category_id=OTHER_CATEGORY)
        )
        filed.when(Listing.recategorise, category_id=None).then(ListingRecategorised(category_id=None))
        filed.when(Listing.recategorise, category_id=CATEGORY).then()

    def test_its_sku_changes(self) -> None:
        known = given_listing(created(sku="TP-6"))
        known.when(Listing.change_sku, sku=" TP-7 ").then(ListingSkuChanged(sku="TP-7"))
        known.when(Listing.change_sku, sku=None).then(ListingSkuChanged(sku=None))
        known.when(Listing.change_sku, sku=" TP-6").then()

    def test_its_packaging_changes_and_the_rest_stays(self) -> None:
        size = Dimensions(length=Decimal(1), width=Decimal(2), height=Decimal(3))
        given_listing(created(weight=Decimal("1.50"))).when(Listing.change_packaging, dimensions=size).then(
            PackagingChanged(weight=Decimal("1.50"), dimensions=size)
        )

    def test_the_same_weight_written_otherwise_is_no_change(self) -> None:
        given_listing(created(weight=Decimal("1.50"))).when(
            Listing.change_packaging, weight=Decimal("1.5")
        ).then()


class TestTheArchive:
    @pytest.mark.parametrize(
        ("decision", "arguments"),
        [
            (Listing.publish, {}),
            (Listing.deactivate, {}),
            (Listing.archive, {"by": SELLER}),
            (Listing.revise_description, {"name": "Samovar"}),
            (Listing.revise_description, {}),
            (change_price, {"price": Money(1)}),
            (Listing.change_cost_price, {"cost_price": None, "price_ceiling": CEILING}),
            (Listing.recategorise, {"category_id": None}),
            (Listing.change_sku, {"sku": None}),
            (Listing.change_packaging, {"weight": None}),
        ],
    )
    def test_an_archived_listing_refuses_every_change(self, decision: Any, arguments: dict[str, Any]) -> None:
        refusal = given_listing(created(), archived).when(decision, **arguments).refused(ListingIsArchived)
        assert refusal.code == "LISTING_ARCHIVED"


class TestKeeping:
    def test_a_listing_survives_being_written_down(self) -> None:
        """The answer to a repeated request is read back from JSON."""
        listing = given_listing(
            created(
                weight=Decimal("1.50"),
                dimensions=Dimensions(length=Decimal(1), width=Decimal(2), height=Decimal("0.1")),
                compare_price=Money(20_00),
                tags=("tea",),
                product_type=ProductType.LICENSE,
                licence_terms=LicenceTerms(max_activations=3),
            ),
            published,
        ).state
        assert msgspec.json.decode(msgspec.json.encode(listing), type=Listing) == listing

    def test_the_shortest_old_fact_can_still_be_read(self) -> None:
        stored = (
            b'{"seller_id":"01890000-0000-7000-8000-0000000000a1","name":"Teapot","slug":"teapot",'
            b'"price":{"amount":1250,"currency":"usd"},"product_type":"physical"}'
        )
        assert msgspec.json.decode(stored, type=ListingCreated) == created()
