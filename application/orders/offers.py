"""Which listings can be bought now (requirements ORD-02)."""

from uuid import UUID

from application.shared.unit import Unit
from domain.listings.listing import Listing, ListingStatus
from domain.orders.order import ListingUnavailable


def find_offer(unit: Unit, listing_id: UUID) -> Listing:
    """A listing that is on sale.

    Raises:
        ListingUnavailable: it is a draft, inactive, archived, or does not exist; callers cannot tell which.
    """
    listing = unit.find(Listing, listing_id)
    if listing is None or listing.status is not ListingStatus.ACTIVE:
        raise unavailable(listing_id)
    return listing


def unavailable(listing_id: UUID) -> ListingUnavailable:
    """The refusal that names a listing."""
    return ListingUnavailable(
        f"Listing {listing_id} cannot be bought.", details={"listingId": str(listing_id)}
    )
