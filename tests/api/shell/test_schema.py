"""The API describes itself completely and truly, and shows it without asking anybody else."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from api.errors import STATUSES, status_of
from api.openapi import errors
from application.shared.command import IdempotencyKeyReused, StaleVersion
from domain.shared.errors import (
    DomainError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RuleViolation,
)
from infrastructure.settings import Settings
from tests.api.shell.description import product_document
from tests.api.shell.office import PRODUCTION, Window, office, settings_with

SCHEMA = "/api/v1/schema"


@pytest.fixture(scope="module")
async def window() -> AsyncIterator[Window]:
    async with office(settings=settings_with(RATE_LIMIT_ENABLED="true")) as opened:
        yield opened


@pytest.fixture(scope="module")
async def document(window: Window) -> dict[str, Any]:
    answer = await window.client.get(SCHEMA)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


@pytest.fixture(scope="module")
def product() -> dict[str, Any]:
    """The document of the product's own routes."""
    return product_document()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "post", "put", "patch", "delete"}:
                yield path, method, operation


def names_in(operation: dict[str, Any]) -> set[str]:
    return {each.get("$ref", each.get("name", "")).rpartition("/")[2] for each in operation["parameters"]}


def codes_in(operation: dict[str, Any], status: str) -> set[str]:
    content = operation["responses"][status]["content"]["application/json"]
    return set(content["schema"]["allOf"][1]["properties"]["error"]["properties"]["code"]["enum"])


class TestDocument:
    async def test_it_is_valid_openapi_3_1(self, document: dict[str, Any]) -> None:
        assert document["openapi"].startswith("3.1")
        validate(document, cls=OpenAPIV31SpecValidator)

    async def test_it_stands_in_two_places(self, window: Window, document: dict[str, Any]) -> None:
        assert (await window.client.get(f"{SCHEMA}/openapi.json")).json() == document

    async def test_every_route_is_in_it_and_explains_itself(self, document: dict[str, Any]) -> None:
        assert {"/health", "/health/detailed", "/metrics", "/api/v1/offices/{officeId}/sell"} <= set(
            document["paths"]
        )
        for path, method, operation in operations(document):
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)

    async def test_every_failure_has_our_two_forms(self, document: dict[str, Any]) -> None:
        for path, method, operation in operations(document):
            assert "500" in operation["responses"], (method, path)
            for status, response in operation["responses"].items():
                assert "X-Request-Id" in response["headers"]
                if int(status) >= 400:
                    assert set(response["content"]) == {"application/json", "application/problem+json"}
                    assert codes_in(operation, status)

    async def test_every_code_stands_under_its_status(self, document: dict[str, Any]) -> None:
        for _, _, operation in operations(document):
            for status in operation["responses"]:
                if int(status) >= 400:
                    for code in codes_in(operation, status):
                        assert STATUSES.get(code, int(status)) == int(status), code

    async def test_what_a_route_declares_is_shown_beside_what_all_may_answer(
        self, document: dict[str, Any]
    ) -> None:
        sell = document["paths"]["/api/v1/offices/{officeId}/sell"]["post"]
        assert codes_in(sell, "409") == {"SOLD_OUT", "IDEMPOTENCY_IN_PROGRESS", "CONCURRENCY_CONFLICT"}
        assert codes_in(sell, "404") == {"RESOURCE_NOT_FOUND", "ROUTE_NOT_FOUND"}
        assert codes_in(sell, "401") == {
            "NO_TOKEN",
            "INVALID_TOKEN",
            "TOKEN_EXPIRED",
            "TOKEN_REVOKED",
            "USER_NOT_FOUND",
            "API_KEY_REQUIRED",
            "API_KEY_INVALID",
            "API_KEY_EXPIRED",
        }
        assert {"400", "403", "412", "422", "429", "500", "503"} <= set(sell["responses"])

    async def test_headers_stand_on_the_routes_that_read_them(self, document: dict[str, Any]) -> None:
        paths = document["paths"]
        sell = paths["/api/v1/offices/{officeId}/sell"]["post"]
        opened = paths["/api/v1/offices"]["post"]
        listing = paths["/api/v1/offices/list"]["get"]
        callback = paths["/api/v1/offices/callback"]["post"]
        assert {"officeId", "IdempotencyKey", "IfMatch", "RequestId"} == names_in(sell)
        assert {"IdempotencyKey", "IfMatch", "RequestId"} == names_in(opened)
        assert {"page", "limit", "minPrice", "MinPosition", "Prefer", "RequestId"} == names_in(listing)
        assert {"RequestId"} == names_in(callback)
        assert {"ETag", "X-Position"} <= set(sell["responses"]["200"]["headers"])
        assert "RateLimit" in sell["responses"]["200"]["headers"]
        assert "429" not in callback["responses"]

    async def test_a_body_that_may_be_left_out_is_not_required(self, product: dict[str, Any]) -> None:
        paths = product["paths"]
        required = {
            path: operation["requestBody"]["required"]
            for path, _, operation in operations(product)
            if "requestBody" in operation
        }
        assert required["/api/v1/listings/{listingId}/deactivate"] is False
        assert {path for path, needed in required.items() if not needed} == {
            "/api/v1/auth/logout",
            "/api/v1/admin/accounts/{accountId}",
            "/api/v1/admin/accounts/{accountId}/suspend",
            "/api/v1/admin/projections/{name}/rebuild",
            "/api/v1/listings/{listingId}/deactivate",
        }
        # It may be left out only to be told, by a code of its own, that it was.
        assert required["/api/v1/auth/refresh"] is True
        assert not [path for path in paths if "_" in path]
        shapes = [re.sub(r"\{\w+\}", "{}", path) for path in paths]
        assert len(shapes) == len(set(shapes)), "no two paths differ by the names of their parameters only"

    async def test_who_may_ask_is_told(self, document: dict[str, Any]) -> None:
        offices = {path.rpartition("/")[2]: item for path, item in document["paths"].items()}
        assert offices["me"]["get"]["security"] == [{"bearer": []}]
        assert offices["vault"]["get"]["security"] == [{"bearer": ["admin"]}, {"bearer": ["super_admin"]}]
        assert offices["visitor"]["get"]["security"] == [{}, {"bearer": []}, {"apiKey": []}]
        assert offices["feed"]["get"]["security"][-1] == {"apiKey": ["events:subscribe"]}
        assert offices["ping"]["get"]["security"] == []
        assert offices["metrics"]["get"]["security"] == [{}, {"bearer": []}]
        assert "403" in offices["metrics"]["get"]["responses"]
        assert codes_in(offices["vault"]["get"], "403") == {
            "INSUFFICIENT_PERMISSIONS",
            "ACCOUNT_SUSPENDED",
            "ACCOUNT_PENDING",
            "ACCOUNT_REJECTED",
        }
        assert offices["vault"]["get"]["description"].endswith(
            "**Who may ask:** Admins, super admins. No API key."
        )
        assert set(document["components"]["securitySchemes"]) == {"bearer", "apiKey"}

    async def test_names_are_those_of_the_wire(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        request, view = schemas["OpenOfficeRequest"], schemas["WhoView"]
        assert set(request["properties"]) == {"officeName", "seats", "bestSeats", "price"}
        assert request["properties"]["officeName"]["maxLength"] == 20
        assert request["additionalProperties"] is False
        assert "correlationId" in view["properties"]
        assert view["properties"]["at"]["format"] == "date-time"
        assert schemas["Envelope_WhoView"]["required"] == ["success", "data"]
        assert not [name for name in schemas if "." in name]

    async def test_what_can_be_done_with_a_new_thing_is_told(self, product: dict[str, Any]) -> None:
        placed = product["paths"]["/api/v1/orders"]["post"]["responses"]["201"]
        links = {link["description"]: link for link in placed["links"].values()}
        assert {"POST /api/v1/orders/{orderId}/cancel", "GET /api/v1/orders/{orderId}"} <= set(links)
        show = links["GET /api/v1/orders/{orderId}"]
        operation = product["paths"]["/api/v1/orders/{orderId}"]["get"]
        assert show["operationId"] == operation["operationId"]
        assert show["parameters"] == {
            "path.orderId": "$response.body#/data/orderId",
            "header.X-Min-Position": "$response.header.X-Position",
        }
        assert "links" not in product["paths"]["/api/v1/orders/{orderId}/notes"]["post"]["responses"]["201"]

    async def test_fields_have_the_bounds_by_which_they_are_read(self, product: dict[str, Any]) -> None:
        schemas = product["components"]["schemas"]
        adjust = schemas["AdjustStockRequest"]
        assert adjust["properties"]["quantity"]["anyOf"][0]["minimum"] == 0
        validator = jsonschema.Draft202012Validator(adjust)
        assert [
            validator.is_valid(body)
            for body in ({"quantity": 0}, {"delta": -1, "quantity": None}, {}, {"quantity": 1, "delta": 1})
        ] == [True, True, False, False]
        size = jsonschema.Draft202012Validator(schemas["DimensionsRequest"]["properties"]["length"])
        assert [size.is_valid(length) for length in (1, 5.25, "4.25", "5.255", -1, 1e6, "x")] == [
            *[True] * 3,
            *[False] * 4,
        ]

    @pytest.mark.parametrize(
        ("text", "readable"),
        [("Tea\tfor two\r\n", True), ("Чай", True), (" ", False), ("Tea\x07", False), ("Tea\x85", False)],
    )
    async def test_texts_without_control_characters_are_asked_for(
        self, product: dict[str, Any], text: str, readable: bool
    ) -> None:
        name = product["components"]["schemas"]["CreateListingRequest"]["properties"]["name"]
        assert (re.search(name["pattern"], text) is not None) == readable

    async def test_an_answer_is_what_the_document_says(
        self, window: Window, document: dict[str, Any]
    ) -> None:
        operation = document["paths"]["/api/v1/offices/list"]["get"]
        good = await window.client.get("/api/v1/offices/list")
        bad = await window.client.get("/api/v1/offices/list", params={"limit": 0})
        for answer in (good, bad):
            schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
            jsonschema.validate(answer.json(), {**schema, "components": document["components"]})

    async def test_it_is_made_once(self, window: Window, document: dict[str, Any]) -> None:
        assert await window.app.document() is await window.app.document()
        assert json.loads(await window.app.document()) == document


class TestPage:
    async def test_the_page_loads_only_what_we_serve(self, window: Window) -> None:
        page = await window.client.get(f"{SCHEMA}/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "https://" not in page.text
        assert "http://" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
        for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
            assert f"{SCHEMA}/docs/{name}" in page.text
            asset = await window.client.get(f"{SCHEMA}/docs/{name}")
            assert asset.status_code == 200
            assert len(asset.content) > 100

    async def test_nothing_else_can_be_fetched_there(self, window: Window) -> None:
        for name in ("swagger-ui.LICENSE", "..%2fapp.py", "app.py"):
            assert (await window.client.get(f"{SCHEMA}/docs/{name}")).status_code == 404

    async def test_it_is_off_in_production_unless_it_is_switched_on(self) -> None:
        off = Settings.from_environment(
            {key: PRODUCTION[key] for key in PRODUCTION if key != "OPENAPI_ENABLED"}
        )
        https = {"X-Forwarded-Proto": "https"}
        async with office(settings=off, access_log=lambda *_, **__: None) as window:
            assert (await window.client.get(SCHEMA, headers=https)).status_code == 404
            assert (await window.client.get(f"{SCHEMA}/docs", headers=https)).status_code == 404


class TestCodes:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            (InvalidInput, 400),
            (NotAuthenticated, 401),
            (NotPermitted, 403),
            (NotFound, 404),
            (RuleViolation, 409),
            (StaleVersion, 412),
            (IdempotencyKeyReused, 422),
        ],
    )
    def test_each_kind_of_refusal_has_one_status(self, kind: type[DomainError], status: int) -> None:
        class OneOfItsKind(kind):  # type: ignore[misc, valid-type]
            code = "NEVER_SEEN_BEFORE"

        assert status_of(OneOfItsKind) == status

    def test_a_code_of_the_catalogue_has_its_own_status(self) -> None:
        class TooManyCodes(RuleViolation):
            code = "OTP_RATE_LIMITED"

        assert status_of(TooManyCodes) == 429

    def test_a_code_without_a_status_is_a_mistake(self) -> None:
        with pytest.raises(KeyError):
            errors("NEVER_SEEN_BEFORE")
