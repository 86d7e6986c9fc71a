"""What everybody sees of the catalogue is answered from the cache, and never too old (requirements SRCH-08, API-12)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.assembly import AppServices
from infrastructure.bootstrap import PROJECTIONS, Machinery
from infrastructure.cache.catalogue import CatalogueEpochs
from infrastructure.roles import RoleContext, run_projector
from projections.shared.reader import Reader
from projections.shared.runner import ProjectionRunner
from tests.api.asking import after, data_of, refusal
from tests.api.conftest import Person, Settle, SignUp
from tests.api.listings.test_catalogue import draft, put_on_shelf

pytestmark = pytest.mark.services

ROUTES = ["/listings", "/listings/search?q=teapot", "/listings/{id}", "/listings/slug/teapot", "/categories"]


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Tests have no cache unless they ask for it."""
    return {**environment, "CATALOGUE_CACHE_SECONDS": "60"}


@pytest.fixture
async def services(services: AppServices) -> AppServices:
    """A cache that waits for a busy machine."""
    services.catalogue_cache._patience_seconds = 10
    return services


@pytest.fixture
async def project(machinery: Machinery) -> AsyncIterator[Settle]:
    """Bring every read model up to date with the log, as the projector does."""
    assert machinery.settings.redis_url is not None
    epochs = CatalogueEpochs(machinery.settings.redis_url)
    history = machinery.open_log(name="test")
    connection = machinery.connect(name="test")
    broken: list[Exception] = []
    runner = ProjectionRunner(
        PROJECTIONS,
        history,
        connection,
        on_error=lambda _name, error: broken.append(error),
        on_progress=epochs.on_progress,
    )

    async def catch_up() -> None:
        runner.catch_up()
        assert not broken

    yield catch_up
    connection.close()
    history.close()
    epochs.close()


class Counted:
    """How many questions the database was asked."""

    queries = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Counts what goes to the real reader."""
    count = Counted()
    ask = Reader.all

    async def all_counted(self: Reader, query: str, parameters: Any = ()) -> Any:
        count.queries += 1
        return await ask(self, query, parameters)

    monkeypatch.setattr(Reader, "all", all_counted)
    return count


@pytest.fixture
async def anvar(sign_up: SignUp) -> Person:
    """A seller."""
    return await sign_up("seller", name="Anvar")


async def put_price(client: httpx.AsyncClient, by: Person, listing: Any, amount: str) -> httpx.Response:
    path = f"/listings/{listing['listingId']}"
    changed = await client.put(
        path, json={"price": {"amount": amount, "currency": "usd"}}, headers=by.headers
    )
    assert changed.status_code == 200, changed.text
    return changed


async def price_at(client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None) -> str:
    data = data_of(await client.get(path, headers=headers))
    shown = data[0] if isinstance(data, list) else data
    return str(shown["price"]["amount"])


class TestSharing:
    @pytest.mark.parametrize("route", ROUTES)
    async def test_the_same_question_is_looked_up_once(
        self, client: httpx.AsyncClient, anvar: Person, project: Settle, counted: Counted, route: str
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot")
        await project()
        path = route.format(id=listing["listingId"])

        first = await client.get(path)
        asked_once = counted.queries
        second = await client.get(path)

        assert first.status_code == 200
        assert asked_once > 0
        assert counted.queries == asked_once
        assert second.content == first.content
        kept = {"etag", "content-type", "cache-control", "vary", "content-length"}
        assert {name: second.headers.get(name) for name in kept} == {
            name: first.headers.get(name) for name in kept
        }
        assert second.headers["Cache-Control"] == "no-store"
        assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"]

    async def test_a_kept_answer_is_what_the_database_says(
        self, client: httpx.AsyncClient, anvar: Person, project: Settle
    ) -> None:
        written = await put_on_shelf(client, anvar, "Teapot", weight="0.75")
        await project()
        for route in ROUTES:
            path = route.format(id=written["listingId"])
            fresh = await client.get(path, headers={"X-Min-Position": "1"})
            await client.get(path)
            assert (await client.get(path)).content == fresh.content

    async def test_how_a_question_is_spelt_does_not_matter(
        self, client: httpx.AsyncClient, project: Settle, counted: Counted
    ) -> None:
        await project()
        await client.get("/listings?minPrice=1&currency=usd&inStock=true")
        asked_once = counted.queries
        await client.get("/listings?inStock=true&utm_source=x&currency=USD&minPrice=1.00&page=1")
        assert counted.queries == asked_once

    @pytest.mark.parametrize(
        "other",
        [
            "?limit=1",
            "?page=2",
            "?sortBy=price",
            "?sortOrder=asc",
            "?search=kettle",
            "?maxPrice=1",
            "?inStock=true",
            "?currency=uzs",
            "?category=tea",
        ],
    )
    async def test_other_questions_have_other_answers(
        self, client: httpx.AsyncClient, project: Settle, counted: Counted, other: str
    ) -> None:
        await project()
        await client.get("/listings")
        asked_once = counted.queries
        await client.get("/listings" + other)
        assert counted.queries > asked_once

    async def test_what_is_missing_is_looked_for_each_time(
        self, client: httpx.AsyncClient, anvar: Person, project: Settle
    ) -> None:
        listing = await draft(client, anvar)
        await project()
        path = f"/listings/{listing['listingId']}"
        for _ in range(2):
            assert refusal(await client.get(path)) == (404, "RESOURCE_NOT_FOUND")


class TestFreshness:
    async def test_a_changed_price_is_seen_as_soon_as_the_projector_has_moved(
        self, client: httpx.AsyncClient, anvar: Person, project: Settle
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot", "12.50")
        await project()
        paths = [route.format(id=listing["listingId"]) for route in ROUTES if route != "/categories"]
        before = [await price_at(client, path) for path in paths]

        await put_price(client, anvar, listing, "9.90")
        await project()

        assert set(before) == {"12.50"}
        assert {await price_at(client, path) for path in paths} == {"9.90"}

    async def test_a_new_category_is_seen_as_soon_as_the_projector_has_moved(
        self, client: httpx.AsyncClient, admin: Person, project: Settle
    ) -> None:
        await project()
        before = data_of(await client.get("/categories"))
        data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
        await project()
        assert (before, [each["name"] for each in data_of(await client.get("/categories"))]) == ([], ["Tea"])

    async def test_whoever_waits_for_a_position_gets_no_kept_answer(
        self, client: httpx.AsyncClient, anvar: Person, project: Settle, settle: Settle
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot", "12.50")
        await project()
        path = f"/listings/{listing['listingId']}"
        await price_at(client, path)
        changed = await put_price(client, anvar, listing, "9.90")
        await settle()  # a projector that cannot reach Redis

        assert await price_at(client, path) == "12.50"
        assert await price_at(client, path, after(changed)) == "9.90"
        assert await price_at(client, path, {"Prefer": "wait=1"}) == "9.90"

    async def test_the_projector_role_begins_the_epochs(
        self, client: httpx.AsyncClient, anvar: Person, machinery: Machinery, services: AppServices
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot", "12.50")
        path = f"/listings/{listing['listingId']}"
        stopped = asyncio.Event()
        role = asyncio.create_task(
            run_projector(RoleContext(machinery, services.commands, services.store), stopped)
        )
        try:
            async with asyncio.timeout(20):
                while (await client.get(path)).status_code == 404:  # noqa: ASYNC110 - a client has no event
                    await asyncio.sleep(0.02)
                while (await services.catalogue_cache.get("listing", listing["listingId"])).answer is None:
                    await client.get(path)
                await put_price(client, anvar, listing, "9.90")
                while await price_at(client, path) != "9.90":  # noqa: ASYNC110 - a client has no event
                    await asyncio.sleep(0.02)
        finally:
            stopped.set()
            await role

    async def test_what_was_committed_before_a_failure_ends_old_answers_too(
        self, client: httpx.AsyncClient, anvar: Person, machinery: Machinery
    ) -> None:
        await put_on_shelf(client, anvar, "Teapot")
        told: list[frozenset[str]] = []

        class Broken(RuntimeError):
            pass

        def on_error(_name: str, error: Exception) -> None:
            raise Broken from error

        catalogue = next(each for each in PROJECTIONS if each.name == "catalogue_search")

        class BrokenProjection(type(PROJECTIONS[0])):  # type: ignore[misc]  # any of them
            def apply(self, *_: Any) -> int:
                raise ValueError

        history, connection = machinery.open_log(name="test"), machinery.connect(name="test")
        runner = ProjectionRunner(
            [catalogue, BrokenProjection()],
            history,
            connection,
            on_error=on_error,
            on_progress=told.append,
        )
        with pytest.raises(Broken):
            runner.catch_up()
        connection.close()
        history.close()
        assert told == [frozenset({"catalogue_search"})]


class TestPrivacy:
    async def test_what_the_seller_sees_is_never_served_to_strangers(
        self, client: httpx.AsyncClient, anvar: Person, admin: Person, project: Settle
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot", costPrice={"amount": "3"})
        await project()
        for path in (f"/listings/{listing['listingId']}", "/listings/slug/teapot"):
            for headers in (anvar.headers, admin.headers, {}, anvar.headers, {}):
                answer = await client.get(path, headers=headers)
                assert ("costPrice" in data_of(answer)) is bool(headers)
                assert ("quantity" in data_of(answer)) is bool(headers)
                assert answer.headers["Cache-Control"] == "no-store"

    async def test_the_seller_sees_their_drafts_and_strangers_do_not(
        self, client: httpx.AsyncClient, anvar: Person, project: Settle, counted: Counted
    ) -> None:
        listing = await draft(client, anvar)
        await project()
        path = f"/listings/{listing['listingId']}"
        drafts = f"/listings?sellerId={anvar.account_id}&status=draft"
        for _ in range(2):
            before = counted.queries
            assert data_of(await client.get(path, headers=anvar.headers))["status"] == "draft"
            assert [each["name"] for each in data_of(await client.get(drafts, headers=anvar.headers))] == [
                "Secret"
            ]
            assert counted.queries > before + 1
            assert refusal(await client.get(path)) == (404, "RESOURCE_NOT_FOUND")
            assert refusal(await client.get(drafts)) == (403, "INSUFFICIENT_PERMISSIONS")
            assert data_of(await client.get(f"/listings?sellerId={anvar.account_id}")) == []


class TestWithoutRedis:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        """Nobody listens there."""
        return {**environment, "REDIS_URL": "redis://127.0.0.1:1/0"}

    async def test_the_catalogue_is_answered_from_the_database(
        self, client: httpx.AsyncClient, anvar: Person, project: Settle
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot", "12.50")
        await project()
        path = f"/listings/{listing['listingId']}"
        assert [await price_at(client, path), await price_at(client, path)] == ["12.50", "12.50"]
        await put_price(client, anvar, listing, "9.90")
        await project()
        assert await price_at(client, path) == "9.90"
