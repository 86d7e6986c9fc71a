"""What a seller has that is not archived, by id: for whoever clears all of a seller's shelves."""

from collections.abc import Sequence
from uuid import UUID

from projections.shared.reader import Reader


class SellerListings:
    """Listings by their seller."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._reader = reader

    async def unarchived(self, seller_id: UUID, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """The first `limit` of a seller's listings that are not archived, by id, beyond `after`."""
        rows = await self._reader.all(
            """
            SELECT listing_id
            FROM listing_detail
            WHERE seller_id = %(seller_id)s AND listing_id > %(after)s AND status <> 'archived'
            ORDER BY listing_id
            LIMIT %(limit)s
            """,
            {"seller_id": seller_id, "after": after or UUID(int=0), "limit": limit},
        )
        return [row["listing_id"] for row in rows]
