"""The screen "My API keys" (requirements KEY-03, KEY-07). Of a key there is its beginning, and never its digest."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.accounts.events import AccountDeleted
from domain.api_keys.events import ApiKeyIssued, ApiKeyRevoked
from domain.shared.events import Recorded
from projections.shared.paging import Filter, NewestFirst, Page, PageRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class ApiKeyRow(msgspec.Struct):
    """One key, whether or not it opens anything still."""

    key_id: UUID
    owner_id: UUID
    name: str
    display_prefix: str
    permissions: list[str]
    issued_at: datetime
    changed_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


API_KEYS = Table(
    "api_keys",
    ApiKeyRow,
    key=("key_id",),
    columns="""
        key_id uuid NOT NULL,
        owner_id uuid NOT NULL,
        name text NOT NULL,
        display_prefix text NOT NULL,
        permissions text[] NOT NULL,
        issued_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        expires_at timestamptz,
        revoked_at timestamptz
    """,
    indexes={"owner": "(owner_id, issued_at DESC, key_id DESC)"},
)

_FORGET = "DELETE FROM {api_keys} WHERE owner_id = %(owner_id)s"


class ApiKeysProjection(Projection):
    """Keeps one row a key, until its owner's account is deleted: what people call their keys may name them."""

    name = "api_keys"
    tables = (API_KEYS,)
    events = (ApiKeyIssued, ApiKeyRevoked, AccountDeleted)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        rows = batch.rows(API_KEYS)
        match event:
            case AccountDeleted():
                batch.execute(_FORGET, {"owner_id": recorded.stream_id})
            case ApiKeyIssued():
                rows.put(
                    ApiKeyRow(
                        recorded.stream_id,
                        event.owner_id,
                        event.name,
                        event.display_prefix,
                        list(event.permissions),
                        recorded.at,
                        recorded.at,
                        event.expires_at,
                    )
                )
            case ApiKeyRevoked():
                row = rows.change(recorded.stream_id)
                if row is not None:
                    row.revoked_at = row.changed_at = recorded.at
            case _:
                pass


# --- asking ------------------------------------------------------------------------------------------------


class ApiKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key, as its owner sees it. `last_used_at` is to the minute, `None` when it was never used."""

    key_id: UUID
    name: str
    display_prefix: str
    permissions: list[str]
    issued_at: datetime
    changed_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def opens_at(self, at: datetime) -> bool:
        """Whether it opens anything at a time, as far as the key itself goes."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)


class _Place(msgspec.Struct, frozen=True, array_like=True):
    issued_at: Annotated[datetime, msgspec.Meta(tz=True)]
    key_id: UUID


class ApiKeys:
    """Questions about keys. Whose they are is for the edge to say."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._newest = NewestFirst(
            reader,
            columns="""
                key_id, name, display_prefix, permissions, issued_at, changed_at, expires_at, revoked_at,
                seen.at AS last_used_at
            """,
            table="api_keys LEFT JOIN last_seen AS seen ON seen.kind = 'api_key' AND seen.id = key_id",
            order=("issued_at", "key_id"),
            place=_Place,
            place_of=lambda key: _Place(key.issued_at, key.key_id),
            item_of=_view,
        )

    async def of(self, owner_id: UUID, request: PageRequest) -> Page[ApiKeyView]:
        """The keys of an account, newest first."""
        return await self._newest.page(Filter().add("owner_id = %(owner_id)s", owner_id=owner_id), request)


def _view(row: dict[str, Any]) -> ApiKeyView:
    return ApiKeyView(**row)
