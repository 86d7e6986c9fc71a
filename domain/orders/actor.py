"""Who acts on an order, as far as its rules ask."""

from enum import StrEnum
from uuid import UUID

import msgspec


class Authority(StrEnum):
    """On what ground somebody acts: as one of the order's own people, as staff, or as the house itself."""

    MEMBER = "member"
    ADMIN = "admin"
    SYSTEM = "system"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who asks for a change of an order; `account_id` is `None` only for the house itself."""

    account_id: UUID | None
    authority: Authority = Authority.MEMBER


THE_HOUSE = Actor(account_id=None, authority=Authority.SYSTEM)
"""Our own workflows and schedules."""
