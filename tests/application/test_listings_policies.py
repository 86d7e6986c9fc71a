"""What is left of a seller whose account was deleted: nothing on the shelf."""

from collections.abc import Sequence
from uuid import UUID

from application.listings.commands import ArchiveListing
from application.listings.policies import CHUNK, ArchiveWhenAccountDeleted
from application.shared.caller import SYSTEM, Caller
from domain.accounts.events import AccountDeleted, AccountSuspended
from domain.listings.events import ListingArchived, ListingCreated, ListingPublished
from domain.shared.events import DomainEvent, Recorded
from tests.application.market import Market, market
from tests.support.commands import NOON
from tests.support.memory_store import InMemoryEventStore

ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")


class ShelvesInLog:
    """The shelves as the log tells of them; `late` ones show as unarchived what is not."""

    def __init__(self, store: InMemoryEventStore, *, late: bool = False) -> None:
        self._store = store
        self._late = late
        self.asked: list[int] = []

    async def unarchived(self, seller_id: UUID, *, at: int, after: UUID | None, limit: int) -> Sequence[UUID]:
        self.asked.append(at)
        found = sorted(
            new.stream_id
            for new in self._store.log
            if isinstance(new.event, ListingCreated) and new.event.seller_id == seller_id
        )
        gone = {new.stream_id for new in self._store.log if isinstance(new.event, ListingArchived)}
        left = [
            each for each in found if (after is None or each > after) and (self._late or each not in gone)
        ]
        return left[:limit]


def deleted(account_id: UUID, event: DomainEvent | None = None) -> Recorded:
    return Recorded(
        position=7,
        stream_id=account_id,
        version=3,
        event=event or AccountDeleted(by=ADMIN),
        recorded_at=NOON,
    )


async def sold_by(shop: Market, seller: Caller) -> list[UUID]:
    assert seller.actor_id is not None
    left = await ShelvesInLog(shop.store).unarchived(seller.actor_id, at=0, after=None, limit=10_000)
    return list(left)


async def test_all_that_a_deleted_seller_sells_is_archived_and_nothing_else() -> None:
    async with market() as shop:
        gone, other = await shop.seller("Anvar"), await shop.seller("Bahrom")
        for number in range(CHUNK + 3):
            await shop.listing(gone, published=number % 2 == 0)
        kept = await shop.listing(other)
        assert gone.actor_id is not None
        policy = ArchiveWhenAccountDeleted(ShelvesInLog(shop.store), shop.shop.loop)

        assert await policy.follow(deleted(gone.actor_id), SYSTEM) == CHUNK + 3

        assert await sold_by(shop, gone) == []
        assert await sold_by(shop, other) == [kept]
        archived = shop.store.events(ListingArchived)
        assert archived == [ListingArchived(by=None, reason="account_deleted")] * (CHUNK + 3)


async def test_asked_again_it_changes_nothing() -> None:
    async with market() as shop:
        gone = await shop.seller()
        await shop.listing(gone)
        assert gone.actor_id is not None
        shelves = ShelvesInLog(shop.store, late=True)
        policy = ArchiveWhenAccountDeleted(shelves, shop.shop.loop)
        await policy.follow(deleted(gone.actor_id), SYSTEM)
        before = len(shop.store.log)
        await policy.follow(deleted(gone.actor_id), SYSTEM)
        assert len(shop.store.log) == before


async def test_the_shelves_are_asked_as_they_were_at_the_end_of_the_account() -> None:
    async with market() as shop:
        gone = await shop.seller()
        assert gone.actor_id is not None
        shelves = ShelvesInLog(shop.store)
        await ArchiveWhenAccountDeleted(shelves, shop.shop.loop).follow(deleted(gone.actor_id), SYSTEM)
        assert shelves.asked == [7]


async def test_who_is_only_suspended_keeps_their_shelf() -> None:
    async with market() as shop:
        suspended = await shop.seller()
        await shop.listing(suspended)
        assert suspended.actor_id is not None
        policy = ArchiveWhenAccountDeleted(ShelvesInLog(shop.store), shop.shop.loop)
        event = AccountSuspended(by=ADMIN)
        assert await policy.follow(deleted(suspended.actor_id, event), SYSTEM) == 0
        assert not shop.store.events(ListingArchived)
        assert shop.store.events(ListingPublished)


async def test_what_the_seller_archived_before_stays_as_it_was() -> None:
    async with market() as shop:
        gone = await shop.seller()
        listing_id = await shop.listing(gone)
        await shop.ask(ArchiveListing(listing_id=listing_id, reason="sold out"), gone)
        assert gone.actor_id is not None
        policy = ArchiveWhenAccountDeleted(ShelvesInLog(shop.store, late=True), shop.shop.loop)
        await policy.follow(deleted(gone.actor_id), SYSTEM)
        assert shop.store.events(ListingArchived) == [ListingArchived(by=gone.actor_id, reason="sold out")]
