"""From the pages that callers ask for to those that read models give, and back."""

from collections.abc import Callable
from typing import TypeVar

import api.envelope as wire
from api.requests import PageRequest
from projections.shared import paging

T = TypeVar("T")
V = TypeVar("V")


def wanted(request: PageRequest) -> paging.PageRequest:
    """The page as read models know it.

    Raises:
        InvalidInput: it begins too far down the list to be counted to.
    """
    return paging.PageRequest(page=request.page, limit=request.limit)


def numbered(found: paging.Page[T], view: Callable[[T], V]) -> wire.Page[V]:
    """Show one numbered page."""
    return wire.page(
        [view(item) for item in found.items], number=found.page, limit=found.limit, total=found.total
    )
