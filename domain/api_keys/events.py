"""Facts about API keys. One stream a key (requirements KEY-01, KEY-08).

Neither the key nor its digest is ever in one (requirements ES-18).
"""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent


class ApiKeyIssued(DomainEvent, frozen=True, kw_only=True):
    """A program may act for the owner from now on, until `expires_at` or until the key is revoked.

    It may do what `permissions` say, as far as `owner_role`, which the owner had then, allows it, and the role that they
    have at the time. `display_prefix` is the beginning of the key, by which its owner knows it again.
    """

    owner_id: UUID
    owner_role: str
    name: str
    display_prefix: str
    permissions: tuple[str, ...]
    expires_at: datetime | None = None


class ApiKeyRevoked(DomainEvent, frozen=True, kw_only=True):
    """The key opens nothing any more. `by` is its owner, or the admin who deleted the owner's account."""

    by: UUID


ApiKeyEvent: TypeAlias = ApiKeyIssued | ApiKeyRevoked
