"""Sessions of an account: opened, prolonged, ended one by one or all together (TOK-09 to TOK-13, TOK-18, ADR 0012).

An account knows the sessions that it may still have open, so that a command which takes something from it ends them all in
its own commit. They are few, and that is seen to when one is opened.
"""

from datetime import timedelta
from uuid import UUID

from application.accounts.authority import acting_account, owner_in_person
from application.accounts.commands import (
    LogOut,
    LogOutEverywhere,
    NewSession,
    RevokeSession,
    RotateRefreshToken,
)
from application.accounts.results import AccountOutcome, Refreshed
from application.shared.unit import Unit
from domain.accounts.account import SESSIONS_MAXIMUM, Account
from domain.accounts.events import SessionEnding
from domain.accounts.roles import AccountStatus
from domain.accounts.session import (
    RefreshTokenInvalid,
    Session,
    SessionNotFound,
    access_token_id,
    refresh_token_id,
)
from domain.shared.errors import NotAuthenticated


class AccountMayNotGoOn(NotAuthenticated):
    """The account of the session is gone or may not act, so its session is not prolonged (requirements TOK-09)."""

    code = "INVALID_USER"


def open_session(account_id: UUID, new: NewSession, unit: Unit) -> None:
    """Begin a session of an account whose owner proved who they are."""
    unit.create(
        Session,
        new.session_id,
        Session.open(
            account_id=account_id,
            refresh_jti_hash=new.refresh_jti_hash,
            expires_at=new.expires_at,
            ip=unit.caller.ip,
            user_agent=unit.caller.user_agent,
        ),
    )


def make_room(account: Account, unit: Unit) -> tuple[UUID, ...]:
    """Sessions that an account which opens another one need not keep in mind.

    While it has few none is looked at. Then those that are over go. When all are open, the one goes that would end first: it
    was prolonged the longest ago.
    """
    if len(account.sessions) < SESSIONS_MAXIMUM:
        return ()
    sessions = _sessions(account, unit)
    over = tuple(each.session_id for each in sessions if each.is_over(unit.now))
    if over:
        return over
    idle = min(sessions, key=lambda each: (each.expires_at or unit.now, each.session_id))
    unit.record(idle, idle.end(SessionEnding.LIMIT))
    return (idle.session_id,)


def end_sessions(
    unit: Unit, account: Account, reason: SessionEnding, *, kept: UUID | None = None
) -> tuple[UUID, ...]:
    """End all sessions of an account but the kept one; returns those that were open until now."""
    ended = []
    for session in _sessions(account, unit):
        events = [] if session.session_id == kept or session.is_over(unit.now) else session.end(reason)
        if events:
            unit.record(session, events)
            ended.append(session.session_id)
    return tuple(ended)


def rotate_refresh_token(command: RotateRefreshToken, unit: Unit) -> Refreshed:
    """Prolong a session, or end it because its token was used twice. A refusal would leave no trace of that."""
    unit.need((Account, command.account_id), (Session, command.session_id))
    account = unit.find(Account, command.account_id)
    if account is None or account.status is not AccountStatus.APPROVED:
        raise AccountMayNotGoOn("This account cannot go on. Sign in again.")
    session = unit.find(Session, command.session_id)
    if session is None or session.account_id != account.account_id:
        raise RefreshTokenInvalid("This refresh token belongs to no session.")
    session = unit.record(
        session,
        session.rotate(
            jti_hash=command.jti_hash,
            at=unit.now,
            expires_at=command.expires_at,
            grace=timedelta(seconds=command.grace_seconds),
        ),
    )
    assert session.expires_at is not None, "a session that was opened has an end"
    return Refreshed(
        account_id=account.account_id,
        session_id=session.session_id,
        role=account.role,
        number=session.number,
        refresh_token_id=refresh_token_id(session.session_id, session.number),
        access_token_id=access_token_id(session.session_id, session.number),
        expires_at=session.expires_at,
        reused=session.revoked,
    )


def log_out(command: LogOut, unit: Unit) -> Session:
    """End one session of the caller's own."""
    return _end_own(command.session_id, unit)


def revoke_session(command: RevokeSession, unit: Unit) -> Session:
    """End another session of the caller's own."""
    return _end_own(command.session_id, unit)


def log_out_everywhere(command: LogOutEverywhere, unit: Unit) -> AccountOutcome:
    """End all sessions of the caller. A session that is over ends no others: its tokens may be in other hands."""
    account = acting_account(unit)
    session = None if unit.caller.session_id is None else unit.find(Session, unit.caller.session_id)
    if session is not None and session.is_over(unit.now):
        return outcome_of(account)
    ended = end_sessions(unit, account, SessionEnding.ALL_SESSIONS)
    return outcome_of(account, ended_sessions=ended)


def outcome_of(
    account: Account, *, ended_sessions: tuple[UUID, ...] = (), revoked_keys: tuple[UUID, ...] = ()
) -> AccountOutcome:
    """How an account stands after a command."""
    return AccountOutcome(
        account_id=account.account_id,
        role=account.role,
        status=account.status,
        kind=account.kind,
        ended_sessions=ended_sessions,
        revoked_keys=revoked_keys,
    )


def _end_own(session_id: UUID, unit: Unit) -> Session:
    owner_id = owner_in_person(unit)
    session = unit.get(Session, session_id, missing=SessionNotFound(f"No session {session_id}."))
    return unit.record(session, session.log_out(by=owner_id))


def _sessions(account: Account, unit: Unit) -> list[Session]:
    return unit.get_many(Session, account.sessions)
