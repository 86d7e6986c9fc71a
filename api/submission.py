"""From a request to a decided command and its answer (requirements ES-15, ES-16)."""

from collections.abc import Callable
from typing import Any, Final, TypeVar
from uuid import UUID

from litestar import Request, Response

from api.context import application_of, context_of
from api.envelope import Envelope, Meta, envelope
from api.requests import etag, expected_versions, idempotency_key
from api.security import asker
from application.shared.caller import Caller
from application.shared.command import Command, Done, Outcome, StaleVersion, Unavailable
from domain.shared.events import State

V = TypeVar("V")

_RACES_MAXIMUM: Final = 5


async def submit(
    request: Request[Any, Any, Any],
    command: Command,
    view: Callable[[Any], V],
    *,
    kind: str,
    entity: UUID | None = None,
    caller: Caller | None = None,
    message: str | None = None,
    headers: dict[str, str] | None = None,
    sent: bytes | None = None,
) -> Response[Envelope[V]]:
    """Have a command decided and answer with what it made of the thing.

    `view` shows the handler's result. `kind` and `entity` say what `If-Match` and `ETag` speak about: `order` and its
    id; without `entity` (something new) the tag names the stream of the result. The caller is whoever the route found to
    ask. `Idempotency-Key` and `If-Match` are taken from the request; the answer has `ETag`, `X-Position`, and
    `Idempotent-Replayed` when it is the kept answer to an equal request. `sent` is what tells equal requests from others
    where their bodies do not.

    Raises:
        DomainError: the business refuses, or a header is malformed.
        Unavailable: see `CommandLoop.submit`.
    """
    caller = caller or asker(request)
    key = await idempotency_key(request, caller, sent=sent)
    precondition = context_of(request).headers.get(b"if-match")
    versions: list[int] | None = None
    if precondition is not None:
        versions = expected_versions(precondition.decode("latin-1"), kind, entity)
    loop = application_of(request).services.commands
    if loop is None:
        raise Unavailable("This process takes no commands.")
    if not versions:
        done = await loop.submit(command, caller, key=key)
    else:
        done = await _submit_at(
            versions, lambda version: loop.submit(command, caller, key=key, expected_version=version)
        )
    return _answer(done, view(done.result), kind, entity, message, headers)


def recorded(answer: Response[Any]) -> bool:
    """Whether the command behind an answer of `submit` has just added to the log.

    Not when nothing needed to change, nor when the answer is the kept one to an earlier request.
    """
    return answer.headers["X-Position"] != "0" and "Idempotent-Replayed" not in answer.headers


async def _submit_at(versions: list[int], ask: Callable[[int], Any]) -> Done[Any]:
    """Any of several versions will do: try one, then the one that is said to be the latest."""
    expected = versions[0]
    for _ in range(_RACES_MAXIMUM):
        try:
            done: Done[Any] = await ask(expected)
        except StaleVersion as stale:
            latest = stale.details.get("version")
            if latest == expected or latest not in versions:
                raise
            expected = int(str(latest))
        else:
            return done
    raise StaleVersion("The thing keeps changing.")


def _answer(
    done: Done[Any],
    data: V,
    kind: str,
    entity: UUID | None,
    message: str | None,
    headers: dict[str, str] | None,
) -> Response[Envelope[V]]:
    own = {"X-Position": str(done.position), **(headers or {})}
    if done.replayed:
        own["Idempotent-Replayed"] = "true"
    result = done.result
    if entity is None and isinstance(result, State | Outcome):
        entity = result.stream_id
    if done.version is None:
        meta = Meta(position=done.position)
    else:
        meta = Meta(position=done.position, version=done.version)
        if entity is not None:
            own["ETag"] = etag(kind, entity, done.version)
    return Response(envelope(data, message=message, meta=meta), headers=own)
