"""A cart holds what a customer means to buy, and no more than a cart can hold."""

from functools import partial
from uuid import UUID

import msgspec
import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from domain.carts.cart import (
    MAX_ITEMS,
    MAX_QUANTITY,
    Cart,
    CartFull,
    CartItemNotFound,
    CartQuantityExceeded,
    CartQuantityInvalid,
    cart_id,
    evolve,
)
from domain.carts.events import (
    CartCheckedOut,
    CartCleared,
    CartItemAdded,
    CartItemQuantityChanged,
    CartItemRemoved,
)
from domain.shared.errors import DomainError
from tests.support.given import given

ACCOUNT = UUID("01890000-0000-7000-8000-0000000000c1")
TEAPOT = UUID("01890000-0000-7000-8000-00000000001a")
CUP = UUID("01890000-0000-7000-8000-00000000001b")
ORDER = UUID("01890000-0000-7000-8000-0000000000b1")

given_cart = partial(given, evolve, stream_id=cart_id(ACCOUNT))
added = partial(CartItemAdded, account_id=ACCOUNT)
changed = partial(CartItemQuantityChanged, account_id=ACCOUNT)
two_teapots = added(listing_id=TEAPOT, quantity=2)


class TestAdding:
    def test_the_first_thing_goes_into_an_empty_cart(self) -> None:
        assert Cart.empty(ACCOUNT).add(listing_id=TEAPOT, quantity=2) == [two_teapots]

    def test_more_of_the_same_adds_to_its_line(self) -> None:
        given_cart(two_teapots).when(Cart.add, listing_id=TEAPOT, quantity=3).then(
            changed(listing_id=TEAPOT, quantity=5)
        )

    @pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1])
    def test_a_quantity_has_its_limits(self, quantity: int) -> None:
        given_cart(two_teapots).when(Cart.add, listing_id=CUP, quantity=quantity).refused(CartQuantityInvalid)

    def test_many_small_additions_have_the_same_limit(self) -> None:
        given_cart(two_teapots).when(Cart.add, listing_id=TEAPOT, quantity=MAX_QUANTITY - 1).refused(
            CartQuantityExceeded
        )

    def test_a_full_cart_takes_more_of_what_it_holds_and_nothing_new(self) -> None:
        full = given_cart(*(added(listing_id=UUID(int=n), quantity=1) for n in range(MAX_ITEMS)))
        full.when(Cart.add, listing_id=UUID(int=0), quantity=1).then(
            changed(listing_id=UUID(int=0), quantity=2)
        )
        full.when(Cart.add, listing_id=TEAPOT, quantity=1).refused(CartFull)


class TestChanging:
    def test_a_line_can_be_set(self) -> None:
        given_cart(two_teapots).when(Cart.change_quantity, listing_id=TEAPOT, quantity=1).then(
            changed(listing_id=TEAPOT, quantity=1)
        )

    def test_the_same_quantity_changes_nothing(self) -> None:
        given_cart(two_teapots).when(Cart.change_quantity, listing_id=TEAPOT, quantity=2).then()

    def test_what_is_not_there_cannot_be_changed(self) -> None:
        given_cart(two_teapots).when(Cart.change_quantity, listing_id=CUP, quantity=2).refused(
            CartItemNotFound
        )


class TestEmptying:
    def test_a_line_can_be_taken_out_once(self) -> None:
        removed = CartItemRemoved(account_id=ACCOUNT, listing_id=TEAPOT)
        given_cart(two_teapots).when(Cart.remove, listing_id=TEAPOT).then(removed)
        given_cart(two_teapots, removed).when(Cart.remove, listing_id=TEAPOT).then()

    def test_a_cart_can_be_emptied_once(self) -> None:
        cleared = CartCleared(account_id=ACCOUNT)
        given_cart(two_teapots).when(Cart.clear).then(cleared)
        given_cart(two_teapots, cleared).when(Cart.clear).then()

    def test_what_was_ordered_is_in_the_cart_no_more(self) -> None:
        checked_out = CartCheckedOut(account_id=ACCOUNT, order_id=ORDER)
        given_cart(two_teapots).when(Cart.check_out, order_id=ORDER).then(checked_out)
        assert given_cart(two_teapots, checked_out).state.items == {}


def test_a_cart_survives_being_kept_as_json() -> None:
    cart = given_cart(two_teapots, added(listing_id=CUP, quantity=1)).state
    assert msgspec.json.decode(msgspec.json.encode(cart), type=Cart) == cart


@whatever(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "change_quantity", "remove"]),
            st.sampled_from([TEAPOT, CUP]),
            st.integers(min_value=-1, max_value=1000),
        ),
        max_size=30,
    )
)
def test_whatever_is_asked_a_cart_agrees_with_a_list_on_paper(asked: list[tuple[str, UUID, int]]) -> None:
    cart, paper = Cart.empty(ACCOUNT), dict[UUID, int]()
    for wish, listing_id, quantity in asked:
        arguments = {"listing_id": listing_id} | ({} if wish == "remove" else {"quantity": quantity})
        try:
            events = getattr(cart, wish)(**arguments)
        except DomainError:
            continue
        for event in events:
            cart = evolve(cart, event, cart_id(ACCOUNT))
        match wish:
            case "add":
                paper[listing_id] = paper.get(listing_id, 0) + quantity
            case "change_quantity":
                paper[listing_id] = quantity
            case _:
                paper.pop(listing_id, None)
        assert cart.items == paper
        assert all(1 <= held <= MAX_QUANTITY for held in cart.items.values())
