"""Answers that everybody gets alike are made once and served from the cache (requirements SRCH-08, API-12)."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import MediaType, Request, Response
from litestar.serialization import encode_json

from api.assembly import services_of
from api.context import context_of
from infrastructure.cache.catalogue import Answer

Made = tuple[object, str | None]
"""The body of an answer, and its entity tag where it has one."""

_FRESH = frozenset({b"x-min-position", b"prefer"})
"""Whoever sends one of these has seen something done and wants to see it."""


async def shared_answer(
    request: Request[Any, Any, Any],
    route: str,
    asked: object,
    make: Callable[[], Awaitable[Made]],
    *,
    public: bool,
) -> Response[Any]:
    """The answer to a question: a kept one if there is a good one, else the one that `make` makes, which is kept.

    `public` says that any stranger would get the very same answer; others are neither looked for nor kept. `asked` is all
    that the answer depends on. What `make` raises is not kept.
    """
    if not public or not _FRESH.isdisjoint(context_of(request).headers):
        return _response(_answer(await make()))
    cache = services_of(request).catalogue_cache
    # The epoch must be known before the read models are read, or old rows would pass as new ones.
    looked = await cache.get(route, asked)
    if looked.answer is not None:
        return _response(looked.answer)
    answer = _answer(await make())
    await cache.put(looked, answer)
    return _response(answer)


def _answer(made: Made) -> Answer:
    body, tag = made
    return Answer(body=encode_json(body), etag=tag)


def _response(answer: Answer) -> Response[Any]:
    headers = {} if answer.etag is None else {"ETag": answer.etag}
    return Response(answer.body, media_type=MediaType.JSON, headers=headers)
