"""A key that is shown: whose it is, and what its bearer may do at this moment (requirements KEY-04 to KEY-06).

Asked of the log itself. What is found out here is good for as long as neither the key nor its owner's account changes.
"""

import hmac
import re
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from application.accounts.ports import Credentials
from application.api_keys.chain import DIGEST
from application.api_keys.results import KeyBearer
from application.shared.caller import ActorKind, Caller
from application.shared.ports import Clock
from application.shared.store import EventStore, Kind
from domain.accounts import account as accounts
from domain.accounts.account import Account
from domain.accounts.permissions import Permission, permitted_to_key
from domain.accounts.roles import AccountStatus
from domain.api_keys import api_key as api_keys
from domain.api_keys.api_key import SECRET_BYTES, ApiKey, ApiKeyInvalid, key_digest
from domain.shared import claims
from domain.shared.claims import Claim, derived_id

_CLAIM: Final = Kind("claim", Claim, claims.evolve)
_KEY: Final = Kind("api_key", ApiKey, api_keys.evolve)
_ACCOUNT: Final = Kind("account", Account, accounts.evolve)


class KeyDoor:
    """Lets programs in that show a key."""

    def __init__(self, *, store: EventStore, credentials: Credentials, clock: Clock, prefix: str) -> None:
        """`prefix` is how every key begins (`gm_`)."""
        self._store = store
        self._credentials = credentials
        self._clock = clock
        self._form = re.compile(re.escape(prefix) + f"[0-9a-f]{{{2 * SECRET_BYTES}}}")

    async def admit(self, shown: str) -> KeyBearer:
        """Whose key this is, and what it opens.

        Raises:
            ApiKeyInvalid: it is unknown or revoked, or its owner is no more.
            ApiKeyExpired: its time is over.
            AccountIsSuspended, AccountIsPending, AccountIsRejected: its owner may not act now.
            StoreUnavailable: the log is away.
        """
        key_id, owner_id = await self.identify(shown)
        return await self.standing(key_id, owner_id)

    async def identify(self, shown: str) -> tuple[UUID, UUID]:
        """Which key this is, and whose: as long as it is kept at all, that never changes.

        Raises:
            ApiKeyInvalid: it is unknown or revoked.
            StoreUnavailable: the log is away.
        """
        if not self._form.fullmatch(shown):
            raise ApiKeyInvalid
        digest = key_digest(shown)
        claim = await self._load(_CLAIM, derived_id(DIGEST, digest))
        if not isinstance(claim, Claim) or claim.owner_id is None:
            raise ApiKeyInvalid
        kept = await self._credentials.credential(claim.owner_id, DIGEST)
        if kept is None or not hmac.compare_digest(kept, digest.encode()):
            raise ApiKeyInvalid
        key = await self._load(_KEY, claim.owner_id)
        if not isinstance(key, ApiKey):
            raise ApiKeyInvalid
        return key.key_id, key.owner_id

    async def standing(self, key_id: UUID, owner_id: UUID) -> KeyBearer:
        """What a key opens now.

        Raises:
            As `admit`.
        """
        slots = await self._store.load({key_id: _KEY, owner_id: _ACCOUNT})
        key, owner = slots[key_id].state, slots[owner_id].state
        if not isinstance(key, ApiKey):
            raise ApiKeyInvalid
        return bearer_of(key, owner if isinstance(owner, Account) else None, self._clock())

    async def _load(self, kind: Kind[Any], stream_id: UUID) -> object:
        return (await self._store.load({stream_id: kind}))[stream_id].state


def bearer_of(key: ApiKey, owner: Account | None, at: datetime) -> KeyBearer:
    """What the bearer of a key may do, as key and owner stand: never more than the owner may, then and now.

    Raises:
        ApiKeyInvalid: it was revoked, or its owner is no more.
        ApiKeyExpired: its time is over.
        AccountIsSuspended, AccountIsPending, AccountIsRejected: its owner may not act now.
    """
    key.check_good(at)
    if owner is None or owner.account_id != key.owner_id or owner.status is AccountStatus.DELETED:
        raise ApiKeyInvalid
    owner.check_may_act()
    permissions = permitted_to_key(key.permissions, issued_as=key.issued_as, role=owner.role)
    everything = permitted_to_key([Permission.EVERYTHING], issued_as=owner.role, role=owner.role)
    return KeyBearer(
        key_id=key.key_id,
        owner_id=owner.account_id,
        role=owner.role,
        permissions=permissions,
        unrestricted=Permission.EVERYTHING.value in key.permissions and permissions == everything,
    )


def caller_by_key(bearer: KeyBearer, stranger: Caller) -> Caller:
    """Who asks, once they have shown a key; `stranger` says from where and on which occasion."""
    return msgspec.structs.replace(
        stranger,
        actor_id=bearer.owner_id,
        actor_kind=ActorKind.API_KEY,
        role=bearer.role.value,
        permissions=None if bearer.unrestricted else frozenset(each.value for each in bearer.permissions),
        session_id=None,
    )
