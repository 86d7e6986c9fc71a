"""A seller's shelves for the workflow that clears them: the read model, once it shows what the workflow follows."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from application.shared.command import Unavailable
from infrastructure.event_store.postgres import store_errors
from projections.listings.shelves import SellerListings
from projections.shared.reader import Reader

PATIENCE_SECONDS: Final = 5.0


class ShelvesInReadModel:
    """Implements `application.listings.policies.Shelves`. The log could answer, too, by a walk through all of it."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log; it is waited for."""
        self._reader = reader
        self._listings = SellerListings(reader)

    async def unarchived(self, seller_id: UUID, *, at: int, after: UUID | None, limit: int) -> Sequence[UUID]:
        """See the port."""
        async with store_errors():
            if not await self._reader.wait_for(at, PATIENCE_SECONDS):
                raise Unavailable("The read models have not come so far yet.")
            return await self._listings.unarchived(seller_id, after=after, limit=limit)
