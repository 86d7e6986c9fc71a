"""Who may change a listing: its seller and admins, nobody else (requirements RBAC-02, LST-18, LST-19)."""

from uuid import UUID

from application.shared.unit import Unit
from domain.accounts.permissions import Permission
from domain.listings.listing import Listing, ListingNotFound
from domain.shared.errors import AccessDenied, NotPermitted


def managed_listing(unit: Unit, listing_id: UUID) -> Listing:
    """The listing, when the caller may change it. What nobody else can see does not exist for others, either.

    Raises:
        NotAuthenticated: nobody is signed in.
        ListingNotFound: there is none, or it is somebody else's and not on the shelf.
        AccessDenied: it is somebody else's, or the caller is no seller any more.
    """
    caller = unit.caller
    account_id = None if caller.is_system else unit.actor
    missing = ListingNotFound(f"No listing {listing_id}.")
    listing = unit.get(Listing, listing_id, missing=missing)
    if caller.is_system or caller.acts_for_the_house(Permission.LISTINGS_WRITE):
        return listing
    owned = listing.seller_id == account_id
    if owned and caller.role == "seller":
        return listing
    if owned or listing.is_active:
        raise AccessDenied("Only its seller and admins change a listing.")
    raise missing


def selling_account(unit: Unit) -> UUID:
    """The account that writes a new listing: a seller, or an admin who sells (requirement RBAC-03).

    Raises:
        NotAuthenticated: nobody is signed in.
        NotPermitted: the caller may not sell.
    """
    account_id = unit.actor
    if not (unit.caller.acts_for_the_house(Permission.LISTINGS_WRITE) or unit.caller.role == "seller"):
        raise NotPermitted("Only sellers and admins write listings.")
    return account_id
