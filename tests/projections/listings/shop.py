"""A shop of which only the screens are looked at: facts go in, whoever asks sees what they show."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from domain.accounts.events import AccountRegistered, SellerApplicationSubmitted
from domain.accounts.roles import AccountKind, AccountStatus, RegistrationChannel, Role
from domain.categories.events import CategoryCreated
from domain.inventory.events import LowStockThresholdSet, StockAdjusted
from domain.inventory.stock import stock_id
from domain.listings.events import ListingCreated, ListingPublished
from domain.listings.fields import ProductType
from domain.shared.events import DomainEvent, Recorded
from domain.shared.money import Money
from infrastructure.identity import new_id
from projections.accounts.account_directory import AccountDirectory
from projections.categories.category_list import CategoryList
from projections.discovery.discovery import DiscoveryProjection
from projections.listings.catalogue_search import CatalogueSearch
from projections.listings.listing_detail import ListingDetailProjection
from projections.shared.projection import Projection
from projections.shared.reader import Reader
from projections.shared.rebuild import create_missing
from projections.shared.runner import project_all

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCREENS: tuple[Projection, ...] = (
    AccountDirectory(),
    CategoryList(),
    CatalogueSearch(),
    DiscoveryProjection(),
    ListingDetailProjection(),
)


class Shop:
    """Facts in the order in which they are told, a minute apart."""

    def __init__(self, connection: psycopg.Connection[Any], reader: Reader) -> None:
        self.connection = connection
        self.reader = reader
        self.log: list[Recorded] = []
        self._versions: dict[UUID, int] = defaultdict(int)

    def happened(self, stream_id: UUID, *events: DomainEvent) -> None:
        """Tell facts of one stream, and let all screens follow."""
        begin = len(self.log)
        for event in events:
            self._versions[stream_id] += 1
            position = len(self.log) + 1
            self.log.append(
                Recorded(
                    position=position,
                    stream_id=stream_id,
                    version=self._versions[stream_id],
                    event=event,
                    recorded_at=NOON + timedelta(minutes=position),
                )
            )
        self.follow(self.log[begin:])

    def follow(self, events: Sequence[Recorded]) -> None:
        """Apply facts in one batch."""
        for screen in SCREENS:
            with self.connection.transaction():
                project_all(screen, events, self.connection)

    def stock(self, listing_id: UUID, *events: DomainEvent) -> None:
        """Facts of a listing's stock."""
        self.happened(stock_id(listing_id), *events)

    def seller(self, name: str = "Amina", *, business: str | None = None) -> UUID:
        """Somebody who sells."""
        account_id = new_id()
        self.happened(
            account_id,
            AccountRegistered(
                email=f"{account_id.hex}@example.com",
                name=name,
                role=Role.SELLER,
                status=AccountStatus.PENDING,
                kind=AccountKind.SELLER,
                channel=RegistrationChannel.PASSWORD,
            ),
            SellerApplicationSubmitted(business_name=business),
        )
        return account_id

    def category(self, name: str, slug: str) -> UUID:
        """A category."""
        category_id = new_id()
        self.happened(category_id, CategoryCreated(name=name, slug=slug))
        return category_id

    def draft(self, name: str, *, seller: UUID | None = None, stock: int = 5, **more: Any) -> UUID:
        """A listing that is not on the shelf yet."""
        listing_id = more.pop("listing_id", None) or new_id()
        seller_id = seller or new_id()
        price = more.pop("price", Money(10_00, "usd"))
        slug = more.pop("slug", f"listing-{listing_id.hex}")
        kind = more.pop("product_type", ProductType.PHYSICAL)
        self.happened(
            listing_id,
            ListingCreated(seller_id=seller_id, name=name, slug=slug, price=price, product_type=kind, **more),
        )
        self.stock(
            listing_id,
            StockAdjusted(
                listing_id=listing_id, seller_id=seller_id, delta=stock, new_quantity=stock, reason="opening"
            ),
            LowStockThresholdSet(listing_id=listing_id, threshold=2),
        )
        return listing_id

    def listing(self, name: str, **more: Any) -> UUID:
        """A listing on the shelf."""
        listing_id = self.draft(name, **more)
        self.happened(listing_id, ListingPublished())
        return listing_id

    def rate(self, listing_id: UUID, rating: str) -> None:
        """A rating as reviews will set it; until they do, the columns are written here."""
        self.connection.execute(
            "UPDATE catalogue_search SET average_rating = %s, review_count = 1 WHERE listing_id = %s",
            (rating, listing_id),
        )
        self.connection.execute(
            "UPDATE catalogue_words SET average_rating = %s WHERE listing_id = %s", (rating, listing_id)
        )

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """All of a table."""
        return self.connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


@asynccontextmanager
async def open_shop(database_url: str) -> AsyncIterator[Shop]:
    """A shop without facts over a database of its own."""
    pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]](
        database_url, min_size=1, max_size=2, open=False, kwargs={"autocommit": True}
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_missing(connection, SCREENS)
        async with pool:
            yield Shop(connection, Reader(pool))
