"""Listings as tests need them: the values that matter are given, the rest is from here."""

from typing import Any
from uuid import UUID

from domain.listings.events import ListingCreated
from domain.listings.fields import ProductType
from domain.shared.money import Money

SELLER = UUID("01890000-0000-7000-8000-0000000000a1")
ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")
CATEGORY = UUID("01890000-0000-7000-8000-0000000000c1")
OTHER_CATEGORY = UUID("01890000-0000-7000-8000-0000000000c2")
CEILING = 99_999_999


def created(**fields: Any) -> ListingCreated:
    """A draft of a teapot at 12.50 usd."""
    standard = {
        "seller_id": SELLER,
        "name": "Teapot",
        "slug": "teapot",
        "price": Money(12_50),
        "product_type": ProductType.PHYSICAL,
    }
    return ListingCreated(**(standard | fields))
