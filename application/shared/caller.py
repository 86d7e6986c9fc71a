"""Who is asking, and on which occasion."""

from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

_STAFF: Final = frozenset({"admin", "super_admin"})


class ActorKind(StrEnum):
    """What kind of being an actor is (requirements ES-04)."""

    USER = "user"
    API_KEY = "api_key"
    SYSTEM = "system"
    WEBHOOK = "webhook"


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who asks. `actor_id` is the account on whose behalf, `None` for strangers and for the system itself.

    `role` is one of the roles of domain.accounts, `None` for strangers. `permissions` are all that an API key lets its
    bearer do, `None`: whatever the role may. `ip` and `user_agent` are personal data.
    """

    actor_id: UUID | None = None
    actor_kind: ActorKind = ActorKind.USER
    role: str | None = None
    permissions: frozenset[str] | None = None
    session_id: UUID | None = None
    ip: str | None = None
    user_agent: str | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    trace_id: str | None = None

    @property
    def is_admin(self) -> bool:
        """Admins and super admins, who may act on what others own; not the bearer of a key with less than they may."""
        return self.role in _STAFF and self.permissions is None

    def acts_for_the_house(self, permission: str) -> bool:
        """Admins and super admins, and programs of theirs whose key was given this permission."""
        return self.role in _STAFF and (self.permissions is None or permission in self.permissions)

    @property
    def is_system(self) -> bool:
        """Our own workflows, schedules and start-up."""
        return self.actor_kind is ActorKind.SYSTEM


SYSTEM = Caller(actor_kind=ActorKind.SYSTEM, role="system")
"""The system acting by itself."""
