"""What the house decides can be set by nobody: no request has a field for it, and fields that are not asked for are refused."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.api.shell.description import product_document

OURS: Final = frozenset(
    {
        # who somebody is, and what they may do
        "role", "roles", "permissions", "isAdmin", "accountId", "userId", "customerId", "buyerId", "sellerId", "ownerId",
        "emailVerified", "phoneVerified", "verified", "approved", "approvedAt", "passwordHash",
        # how far something has come
        "status", "state", "paidAt", "shippedAt", "deliveredAt", "createdAt", "updatedAt", "publishedAt", "version",
        # what is counted
        "views", "viewCount", "rating", "ratings", "averageRating", "ratingCount", "reviewCount", "sold", "soldCount",
        "salesCount", "favouriteCount", "reserved", "available",
        # money that follows from something else
        "total", "totals", "subtotal", "unitPrice", "tax", "taxRate", "shippingFee", "shipping", "discount", "commission",
        "commissionRate", "fee", "balance", "credits", "net", "gross", "refunded", "earnings",
        # names that we give
        "orderNumber", "reference", "transactionId", "providerTransactionId",
    }
)  # fmt: skip

ASKED_FOR: Final[frozenset[tuple[str, str, str]]] = frozenset(
    {
        ("POST", "/api/v1/api-keys", "permissions"),
        ("PATCH", "/api/v1/admin/accounts/{accountId}/role", "role"),
    }
)
"""Method, path and field, where such a field is what the request is about: what a key may do, as far as its owner may; what
a super admin makes of an account."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The description of the product's own routes."""
    return product_document()


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every object that a request may hold: method, path and schema."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody") if isinstance(operation, dict) else None
            for content in (body or {}).get("content", {}).values():
                for schema in objects_in(content["schema"], document, set()):
                    yield method.upper(), path, schema


def objects_in(schema: Any, document: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    if isinstance(schema, list):
        for each in schema:
            yield from objects_in(each, document, seen)
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if reference is not None:
        if reference not in seen:
            seen.add(reference)
            found: Any = document
            for step in reference.removeprefix("#/").split("/"):
                found = found[step]
            yield from objects_in(found, document, seen)
        return
    if "properties" in schema:
        # What its alternatives say is about the same fields.
        yield schema
        yield from objects_in(list(schema["properties"].values()), document, seen)
        return
    for name, each in schema.items():
        if name not in {"example", "examples", "default", "enum", "const"}:
            yield from objects_in(each, document, seen)


def test_no_request_has_a_field_for_what_the_house_decides(document: dict[str, Any]) -> None:
    found = {
        (method, path, name)
        for method, path, schema in bodies(document)
        for name in schema["properties"]
        if name in OURS
    }
    assert found - ASKED_FOR == set()
    assert found >= ASKED_FOR, "an exception that is needed no more"


def test_a_field_that_is_not_asked_for_is_refused_everywhere(document: dict[str, Any]) -> None:
    schemas = list(bodies(document))
    assert len(schemas) > 20
    lenient = {
        (method, path) for method, path, schema in schemas if schema.get("additionalProperties") is not False
    }
    assert lenient == set()
