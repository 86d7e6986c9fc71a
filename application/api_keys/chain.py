"""The keys of one account, at most so many (requirements KEY-01, KEY-08).

Each has one of the account's places, which it claims like any unique value (ADR 0004). So there are never more of them, and
a command finds them all without a read model.
"""

from typing import Final
from uuid import UUID

from application.shared.store import Credential
from application.shared.unit import Unit
from domain.api_keys.api_key import KEYS_MAXIMUM, ApiKey, TooManyApiKeys
from domain.shared.claims import Claim, derived_id

PLACE: Final = "api_key_place"
"""The kind of claim that a place for a key is."""

DIGEST: Final = "api_key"
"""The kind of claim that a key's digest is, and the name of the credential that holds it."""


def take_place(unit: Unit, owner_id: UUID, key_id: UUID) -> None:
    """Find a place for a new key: a free one, else that of a key whose time is over.

    Raises:
        TooManyApiKeys: there is none.
    """
    full = TooManyApiKeys(
        f"An account has at most {KEYS_MAXIMUM} API keys. Revoke one first.", details={"limit": KEYS_MAXIMUM}
    )
    holders = _holders(unit, owner_id)
    free = next((place for place, holder in holders.items() if holder is None), None)
    if free is None:
        keys = _keys(unit, holders)
        free, over = next(
            ((place, key) for place, key in keys.items() if key.is_over(unit.now)), (None, None)
        )
        if free is None or over is None:
            raise full
        unit.release(PLACE, free, over.key_id)
        _destroy_digest(unit, over.key_id)
    unit.claim(PLACE, free, key_id, taken=full)


def give_place_back(unit: Unit, key: ApiKey) -> None:
    """A key is revoked: its place is free, its digest gone."""
    for place, holder in _holders(unit, key.owner_id).items():
        if holder == key.key_id:
            unit.release(PLACE, place, key.key_id)
    _destroy_digest(unit, key.key_id)


def revoke_keys_of(unit: Unit, owner_id: UUID, *, by: UUID) -> tuple[UUID, ...]:
    """Take back every key of an account that ends; returns those that were good until now."""
    revoked = []
    for place, key in _keys(unit, _holders(unit, owner_id)).items():
        events = key.end(by=by)
        if events:
            unit.record(key, events)
            revoked.append(key.key_id)
        unit.release(PLACE, place, key.key_id)
        _destroy_digest(unit, key.key_id)
    return tuple(revoked)


def _holders(unit: Unit, owner_id: UUID) -> dict[str, UUID | None]:
    places = [f"{owner_id}:{number}" for number in range(KEYS_MAXIMUM)]
    unit.need(*((Claim, derived_id(PLACE, place)) for place in places))
    return {place: unit.holder(PLACE, place) for place in places}


def _keys(unit: Unit, holders: dict[str, UUID | None]) -> dict[str, ApiKey]:
    held = {place: key_id for place, key_id in holders.items() if key_id is not None}
    return dict(zip(held, unit.get_many(ApiKey, held.values()), strict=True))


def _destroy_digest(unit: Unit, key_id: UUID) -> None:
    unit.keep(Credential(owner_id=key_id, name=DIGEST, value=None))
