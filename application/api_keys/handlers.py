"""Use cases of API keys."""

from datetime import timedelta
from typing import Final

from application.accounts.authority import acting_account, owner_in_person
from application.api_keys.chain import DIGEST, give_place_back, take_place
from application.api_keys.commands import IssueApiKey, RevokeApiKey
from application.api_keys.results import IssuedApiKey
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Credential, Kind
from application.shared.unit import Unit
from domain.accounts.permissions import Permission, grantable
from domain.api_keys.api_key import DAYS_MAXIMUM, ApiKey, ApiKeyNotFound, ApiKeyUnfit, clean_name, evolve
from domain.shared.errors import RuleViolation


def issue_api_key(command: IssueApiKey, unit: Unit) -> IssuedApiKey:
    """Let a program act for the caller, who gives it no more than they have at this moment."""
    owner = acting_account(unit)
    owner.check_may_act()
    days = command.expires_in_days
    if days is not None and not 1 <= days <= DAYS_MAXIMUM:
        raise ApiKeyUnfit("expiresInDays", f"A key is issued for 1 to {DAYS_MAXIMUM} days.", "range")
    expires_at = None if days is None else unit.now + timedelta(days=days)
    events = ApiKey.issue(
        owner_id=owner.account_id,
        owner_role=owner.role.value,
        name=command.name,
        display_prefix=command.display_prefix,
        permissions=[each.value for each in command.permissions],
        grantable=[each.value for each in grantable(owner.role)],
        expires_at=expires_at,
        at=unit.now,
    )
    take_place(unit, owner.account_id, command.key_id)
    unit.claim(DIGEST, command.digest, command.key_id, taken=RuleViolation("There is such a key already."))
    key = unit.create(ApiKey, command.key_id, events)
    unit.keep(Credential(owner_id=command.key_id, name=DIGEST, value=command.digest.encode()))
    return IssuedApiKey(
        key_id=command.key_id,
        name=clean_name(command.name),
        display_prefix=command.display_prefix,
        permissions=tuple(Permission(each) for each in key.permissions),
        issued_at=unit.now,
        expires_at=expires_at,
    )


def revoke_api_key(command: RevokeApiKey, unit: Unit) -> ApiKey:
    """Take a key of the caller's own back, at once and for good."""
    owner_id = owner_in_person(unit)
    missing = ApiKeyNotFound(f"No API key {command.key_id}.")
    key = unit.get(ApiKey, command.key_id, missing=missing)
    events = key.revoke(by=owner_id)
    if not events:
        return key
    give_place_back(unit, key)
    return unit.record(key, events)


HANDLERS: Final[dict[type[Command], Handler]] = {
    IssueApiKey: issue_api_key,
    RevokeApiKey: revoke_api_key,
}

KINDS: Final = (Kind("api_key", ApiKey, evolve),)
