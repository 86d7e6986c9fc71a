"""How long a search of the catalogue takes; peer: the same words by ILIKE on the same rows."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from domain.inventory.events import StockAdjusted
from domain.inventory.stock import stock_id
from domain.listings.events import ListingCreated, ListingPublished
from domain.listings.fields import ProductType
from domain.shared.events import Recorded
from domain.shared.money import Money
from infrastructure.bootstrap import Machinery
from infrastructure.identity import new_id
from projections.accounts.account_directory import AccountDirectory
from projections.categories.category_list import CategoryList
from projections.listings.catalogue import Catalogue
from projections.listings.catalogue_questions import ListingFilter
from projections.listings.catalogue_search import CatalogueSearch
from projections.listings.listing_detail import ListingDetailProjection
from projections.shared.paging import PageRequest
from projections.shared.reader import Reader
from projections.shared.rebuild import create_missing
from projections.shared.runner import project_all
from tests.bench.report import Figure, Peer

LISTINGS = 100_000
AT_ONCE = 2_000
CONNECTIONS = 16
TARGET_MS = 30.0
SEARCHES = 3_200
WARMING_UP = 320
PEER_SEARCHES = 64
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

COLOURS = [
    "red",
    "green",
    "blue",
    "white",
    "black",
    "amber",
    "ivory",
    "copper",
    "golden",
    "silver",
    "scarlet",
    "teal",
    "olive",
    "indigo",
]
MATTERS = [
    "cotton",
    "linen",
    "silk",
    "wool",
    "leather",
    "glass",
    "steel",
    "oak",
    "walnut",
    "clay",
    "marble",
    "bamboo",
    "paper",
    "velvet",
]
THINGS = [
    "lamp",
    "table",
    "chair",
    "mug",
    "plate",
    "bowl",
    "teapot",
    "kettle",
    "blanket",
    "pillow",
    "carpet",
    "curtain",
    "basket",
    "candle",
    "mirror",
    "clock",
    "shelf",
    "notebook",
    "bag",
    "wallet",
    "scarf",
    "glove",
    "jacket",
    "shirt",
    "dress",
    "shoe",
    "boot",
    "hat",
    "ring",
    "necklace",
    "bracelet",
    "watch",
    "knife",
    "fork",
    "spoon",
]
USES = [
    "kitchen",
    "garden",
    "office",
    "travel",
    "winter",
    "summer",
    "wedding",
    "birthday",
    "children",
    "bedroom",
    "bathroom",
    "picnic",
]


def facts(count: int) -> Iterator[Recorded]:
    """So many listings on the shelf, with words as catalogues have them: a few everywhere, many seldom."""
    choose = random.Random(7)
    seller_id = new_id()
    position = 0
    for number in range(count):
        listing_id = new_id()
        thing, colour, matter, use = (choose.choice(words) for words in (THINGS, COLOURS, MATTERS, USES))
        model = f"{choose.choice('abcdefghjkmnpqrstuvwxyz')}{choose.randrange(10_000):04}"
        created = ListingCreated(
            seller_id=seller_id,
            name=f"{colour} {matter} {thing} {model}".title(),
            slug=f"{colour}-{matter}-{thing}-{number}",
            description=f"A {colour} {thing} of {matter} for {use} and {choose.choice(USES)}, model {model}.",
            price=Money(choose.randrange(100, 100_000), "usd"),
            product_type=ProductType.PHYSICAL,
            tags=(thing, use),
        )
        stocked = StockAdjusted(
            listing_id=listing_id, seller_id=seller_id, delta=20, new_quantity=20, reason="opening"
        )
        for stream_id, version, event in (
            (listing_id, 1, created),
            (stock_id(listing_id), 1, stocked),
            (listing_id, 2, ListingPublished()),
        ):
            position += 1
            yield Recorded(
                position=position, stream_id=stream_id, version=version, event=event, recorded_at=NOON
            )


class Search(msgspec.Struct, frozen=True):
    """One search of a `kind`."""

    kind: str
    text: str
    page: int


def searches(count: int) -> list[Search]:
    """As many of each kind, in no order; every fourth goes on to the second page."""
    choose = random.Random(11)
    kinds: dict[str, Callable[[], str]] = {
        "word": lambda: choose.choice([*COLOURS, *MATTERS, *THINGS, *USES]),
        "pair": lambda: f"{choose.choice(COLOURS)} {choose.choice(THINGS)}",
        "triple": lambda: f"{choose.choice(MATTERS)} {choose.choice(THINGS)} {choose.choice(USES)}",
        "beginning": lambda: choose.choice(THINGS)[:4],
        "misspelt": lambda: f"{choose.choice(COLOURS)} {choose.choice(THINGS)[:-1]}x",
    }
    return [
        Search(kind, kinds[kind](), choose.choice((1, 1, 1, 2)))
        for kind in choose.choices(list(kinds), k=count)
    ]


async def measure(tools: Machinery) -> list[Figure]:
    """Fill the shelves, then search them."""
    await asyncio.to_thread(_fill, tools)
    wanted = searches(SEARCHES)
    async with tools.open_pool(name="bench") as pool:
        reader = Reader(pool)
        catalogue = Catalogue(reader)

        async def ours(search: Search) -> None:
            found = await catalogue.find(
                ListingFilter(text=search.text), PageRequest(page=search.page, limit=20)
            )
            assert found.items, f"nothing is found for {search}"

        async def naive(search: Search) -> None:
            await reader.all(
                """
                SELECT listing_id
                FROM bench_texts
                WHERE name ILIKE %(pattern)s OR description ILIKE %(pattern)s
                ORDER BY listing_id
                LIMIT 20
                """,
                {"pattern": "%" + "%".join(search.text.split()) + "%"},
            )

        await _times(ours, wanted[:WARMING_UP])
        searched = await _times(ours, wanted)
        scanned = await _times(naive, wanted[:PEER_SEARCHES])
    every = [milliseconds for times in searched.values() for milliseconds in times]
    by_kind = {"all": every, **dict(sorted(searched.items()))}
    told = ", ".join(
        f"{kind} {_percentile(times, 0.5):.0f}/{_percentile(times, 0.95):.0f}/{_percentile(times, 0.99):.0f}"
        for kind, times in by_kind.items()
    )
    return [
        Figure(
            "search_p95",
            _percentile(every, 0.95),
            "ms",
            Peer("ILIKE", _percentile([time for times in scanned.values() for time in times], 0.95)),
            higher_is_better=False,
            target=TARGET_MS,
            note=f"{LISTINGS:,} listings, {CONNECTIONS} connections, p50/p95/p99: {told}",
            details={
                kind: {
                    "p50": _percentile(times, 0.5),
                    "p95": _percentile(times, 0.95),
                    "p99": _percentile(times, 0.99),
                }
                for kind, times in by_kind.items()
            },
        )
    ]


def _fill(tools: Machinery) -> None:
    projections = (AccountDirectory(), CategoryList(), CatalogueSearch(), ListingDetailProjection())
    with tools.connect(name="bench") as connection:
        create_missing(connection, projections)
        connection.execute(
            "CREATE TABLE bench_texts (listing_id uuid PRIMARY KEY, name text, description text)"
        )
        batch: list[Recorded] = []
        for recorded in facts(LISTINGS):
            batch.append(recorded)
            if len(batch) >= AT_ONCE * 3:
                _project(batch, connection)
                batch.clear()
        _project(batch, connection)
        connection.execute("ANALYZE")


def _project(batch: list[Recorded], connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        project_all(CatalogueSearch(), batch, connection)
        with connection.cursor().copy("COPY bench_texts FROM STDIN") as lines:
            for recorded in batch:
                if isinstance(recorded.event, ListingCreated):
                    lines.write_row((recorded.stream_id, recorded.event.name, recorded.event.description))


async def _times(
    search: Callable[[Search], Awaitable[None]], wanted: Sequence[Search]
) -> dict[str, list[float]]:
    """Milliseconds of each search by its kind, so many at once as there are connections."""
    waiting = iter(wanted)
    times: dict[str, list[float]] = defaultdict(list)

    async def worker() -> None:
        for each in waiting:
            began = time.perf_counter()
            await search(each)
            times[each.kind].append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return times


def _percentile(times: Sequence[float], part: float) -> float:
    return sorted(times)[int(len(times) * part)]
