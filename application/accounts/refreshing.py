"""A session goes on by its refresh token (requirements TOK-09, TOK-10)."""

from datetime import timedelta
from uuid import UUID

from application.accounts.commands import RotateRefreshToken
from application.accounts.opening import as_owner
from application.accounts.results import Refreshed
from application.shared.caller import Caller
from application.shared.command import Done
from application.shared.loop import CommandLoop
from application.shared.ports import Clock
from domain.accounts.session import SessionIsRevoked, refresh_token_hash


class RefreshService:
    """Gives new pairs of tokens for old ones."""

    def __init__(
        self, *, commands: CommandLoop, clock: Clock, session_lifetime: timedelta, grace_seconds: int
    ) -> None:
        """`session_lifetime` is that of refresh tokens; for `grace_seconds` a used token is taken for an honest retry."""
        self._commands = commands
        self._clock = clock
        self._session_lifetime = session_lifetime
        self._grace_seconds = grace_seconds

    async def refresh(
        self, *, account_id: UUID, session_id: UUID, token_id: UUID, caller: Caller
    ) -> Done[Refreshed]:
        """Prolong a session by a refresh token whose signature, kind and time were found to be good.

        The answer names the pair to mint. Within the grace the same token is answered with the same pair, so that of many
        requests at once all get one pair, which is new for the first of them.

        Raises:
            AccountMayNotGoOn: the account is gone, suspended, or otherwise may not act.
            RefreshTokenInvalid: there is no such session of this account.
            RefreshTokenExpired: the session was not prolonged in time.
            SessionIsRevoked: the session was ended before, or is now, since its token was used twice.
            Unavailable: the queue is full, or the store is away.
        """
        command = RotateRefreshToken(
            account_id=account_id,
            session_id=session_id,
            jti_hash=refresh_token_hash(token_id),
            expires_at=self._clock() + self._session_lifetime,
            grace_seconds=self._grace_seconds,
        )
        done: Done[Refreshed] = await self._commands.submit(command, as_owner(caller, account_id))
        if done.result.reused:
            raise SessionIsRevoked("This refresh token was used before. The session is over; sign in again.")
        return done
