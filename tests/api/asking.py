"""Reading answers of the API in tests."""

from typing import Any
from uuid import UUID

import httpx

NOBODY = UUID("01930000-0000-7000-8000-0000000000ff")
"""An id that nothing has."""


def data_of(answer: httpx.Response, status: int = 200) -> Any:
    """What a successful answer holds."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is True
    return body["data"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which has the shape that all have."""
    body = answer.json()
    assert body["success"] is False
    assert set(body["error"]) - {"details"} == {"code", "message", "requestId"}
    assert body["error"]["requestId"] == answer.headers["X-Request-Id"]
    return answer.status_code, body["error"]["code"]


def wrong_fields(answer: httpx.Response) -> dict[str, str]:
    """Which fields were refused, and by which rule."""
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    return {problem["field"]: problem["rule"] for problem in answer.json()["error"]["details"]}


def after(answer: httpx.Response) -> dict[str, str]:
    """Headers of a question that must see what this answer did."""
    return {"X-Min-Position": answer.headers["X-Position"]}
