"""What a listing looks like from outside, and to whom (requirements LST-08, LST-14, LST-17, LST-21, SRCH-03)."""

from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

ACTIVE: Final = "active"


class Standing(StrEnum):
    """The status of a listing as it is shown; `out_of_stock` is an active one of which none is available (LST-14)."""

    DRAFT = "draft"
    ACTIVE = "active"
    OUT_OF_STOCK = "out_of_stock"
    INACTIVE = "inactive"
    ARCHIVED = "archived"


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks: anybody, an account, or with `manages_all` an admin. The edge makes it from the caller."""

    account_id: UUID | None = None
    manages_all: bool = False

    def manages(self, seller_id: UUID | None) -> bool:
        """Whether what only the seller and admins see is shown of this seller's listings; `None`: of all sellers'."""
        return self.manages_all or (seller_id is not None and seller_id == self.account_id)


PUBLIC: Final = Viewer()
"""Anybody."""


def standing_of(status: str, available: int) -> Standing:
    """The status as it is shown."""
    if status == ACTIVE and available <= 0:
        return Standing.OUT_OF_STOCK
    return Standing(status)


def discount_percent(price_minor: int, compare_minor: int | None) -> int:
    """How many percent the price is below the compare price, a half rounded up; 0 without one (LST-17)."""
    if compare_minor is None or compare_minor <= price_minor:
        return 0
    return (200 * (compare_minor - price_minor) + compare_minor) // (2 * compare_minor)


class SellerSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The seller as shown beside a listing; `name` is the business name where there is one, `None` when forgotten."""

    account_id: UUID
    name: str | None
    avatar_url: str | None


class CategorySummary(msgspec.Struct, frozen=True, kw_only=True):
    """The category as shown beside a listing."""

    category_id: UUID
    name: str
    slug: str
