"""What is put together before a command that opens a session: the session, and whose it will be."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from application.accounts.commands import NewSession
from application.shared.caller import ActorKind, Caller
from domain.accounts.session import first_refresh_token_id, refresh_token_hash


def new_session(session_id: UUID, *, now: datetime, lifetime: timedelta) -> NewSession:
    """A session from now on for its lifetime, prolonged by the first refresh token that its id stands for."""
    return NewSession(
        session_id=session_id,
        refresh_jti_hash=refresh_token_hash(first_refresh_token_id(session_id)),
        expires_at=now + lifetime,
    )


def as_owner(caller: Caller, account_id: UUID) -> Caller:
    """The caller, now known to be the account's owner: address and agent are sealed under that account's key.

    Whoever they were signed in as before does not matter any more.
    """
    return msgspec.structs.replace(
        caller, actor_id=account_id, actor_kind=ActorKind.USER, role=None, session_id=None
    )
