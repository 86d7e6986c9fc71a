"""Keys by which programs act for their owner (requirements KEY-01, KEY-07, KEY-08)."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType, field
from msgspec import Meta as Bounds

from api.assembly import services_of
from api.envelope import Envelope, Meta, Page, RequestBody, ResponseBody, Timestamp, envelope, timestamp
from api.openapi import UNCONDITIONAL, errors
from api.paging import numbered, wanted
from api.requests import PageRequest, etag, idempotency_key
from api.submission import submit
from application.api_keys.commands import RevokeApiKey
from application.api_keys.results import NewApiKey
from application.shared.caller import Caller
from domain.accounts.permissions import Permission
from domain.api_keys.api_key import DAYS_MAXIMUM, NAME_CHARACTERS_MAXIMUM
from projections.api_keys.api_keys import ApiKeys, ApiKeyView

AnyRequest = Request[Any, Any, Any]

KIND: Final = "api-key"
SHOWN_ONCE: Final = "This key is shown only once. Keep it where no one else finds it."


class IssueApiKeyRequest(RequestBody, frozen=True, kw_only=True):
    """A new key. It can do no more than its owner; without `permissions` it opens nothing, without `expiresInDays` it stays good."""

    name: Annotated[str, Bounds(min_length=1, max_length=NAME_CHARACTERS_MAXIMUM, pattern=r"\S")]
    permissions: Annotated[list[Permission], Bounds(max_length=len(Permission))] = field(default_factory=list)
    expires_in_days: Annotated[int, Bounds(ge=1, le=DAYS_MAXIMUM)] | None = None


class IssuedApiKeyView(ResponseBody, frozen=True, kw_only=True):
    """A new key. `key` is there this once, and absent when the request was repeated under its idempotency key."""

    key_id: UUID
    name: str
    key: str | UnsetType = UNSET
    display_prefix: str
    permissions: list[Permission]
    expires_at: Timestamp | None
    warning: str | UnsetType = UNSET

    def __repr__(self) -> str:
        """Without the key."""
        return f"IssuedApiKeyView(key_id={self.key_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("key_id", self.key_id)]

    @classmethod
    def of(cls, new: NewApiKey) -> "IssuedApiKeyView":
        """Show a key to its owner."""
        issued = new.done.result
        return cls(
            key_id=issued.key_id,
            name=issued.name,
            key=UNSET if new.plain is None else new.plain,
            display_prefix=issued.display_prefix,
            permissions=list(issued.permissions),
            expires_at=None if issued.expires_at is None else timestamp(issued.expires_at),
            warning=UNSET if new.plain is None else SHOWN_ONCE,
        )


class KnownApiKeyView(ResponseBody, frozen=True, kw_only=True):
    """A key by all that is shown of it again; `active` says whether it still opens anything."""

    key_id: UUID
    name: str
    display_prefix: str
    permissions: list[Permission]
    active: bool
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, key: ApiKeyView, now: datetime) -> "KnownApiKeyView":
        """Show a key to its owner, as it is at this moment."""
        return cls(
            key_id=key.key_id,
            name=key.name,
            display_prefix=key.display_prefix,
            permissions=[Permission(each) for each in key.permissions],
            active=key.opens_at(now),
            expires_at=None if key.expires_at is None else timestamp(key.expires_at),
            last_used_at=None if key.last_used_at is None else timestamp(key.last_used_at),
            created_at=timestamp(key.issued_at),
            updated_at=timestamp(key.changed_at),
        )


class RevokedApiKeyView(ResponseBody, frozen=True, kw_only=True):
    """A key that opens nothing any more."""

    key_id: UUID


class ApiKeysController(Controller):
    """What owners do with their keys, in person: no key makes keys."""

    path = "/api-keys"
    tags = ("API keys",)

    @post(
        "/",
        summary="Issue an API key",
        opt=UNCONDITIONAL,
        responses=errors("INSUFFICIENT_PERMISSIONS", API_KEY_LIMIT_REACHED=409),
    )
    async def issue(
        self, request: AnyRequest, data: JSONBody[IssueApiKeyRequest], caller: NamedDependency[Caller]
    ) -> Response[Envelope[IssuedApiKeyView]]:
        """Let a program act for the caller by `X-API-Key`, as far as it is permitted here; the key is shown this once."""
        new = await services_of(request).api_keys.issue(
            name=data.name,
            permissions=data.permissions,
            expires_in_days=data.expires_in_days,
            caller=caller,
            key=await idempotency_key(request, caller),
        )
        done = new.done
        headers = {"X-Position": str(done.position)}
        meta = Meta(position=done.position)
        if done.version is not None:
            headers["ETag"] = etag(KIND, done.result.key_id, done.version)
            meta = Meta(position=done.position, version=done.version)
        if done.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(envelope(IssuedApiKeyView.of(new), meta=meta), headers=headers)

    @get("/", summary="List own API keys")
    async def list_keys(
        self, request: AnyRequest, page_request: NamedDependency[PageRequest], caller: NamedDependency[Caller]
    ) -> Page[KnownApiKeyView]:
        """The caller's keys, newest first, revoked and expired ones among them. Never the keys themselves."""
        services = services_of(request)
        assert caller.actor_id is not None, "whoever is signed in has an account"
        found = await ApiKeys(services.reader).of(caller.actor_id, wanted(page_request))
        now = services.clock()
        return numbered(found, lambda key: KnownApiKeyView.of(key, now))

    @delete(
        "/{key_id:uuid}", status_code=200, summary="Revoke an API key", responses=errors("API_KEY_NOT_FOUND")
    )
    async def revoke(
        self, request: AnyRequest, key_id: FromPath[UUID]
    ) -> Response[Envelope[RevokedApiKeyView]]:
        """Take a key of the caller's own back, at once and for good. Revoking twice is revoking once."""
        answer = await submit(
            request,
            RevokeApiKey(key_id=key_id),
            lambda key: RevokedApiKeyView(key_id=key.key_id),
            kind=KIND,
            entity=key_id,
        )
        services_of(request).accounts.forget(key_id)
        return answer


CONTROLLERS: tuple[type[Controller], ...] = (ApiKeysController,)
