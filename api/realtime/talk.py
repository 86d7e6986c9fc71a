"""One WebSocket from its handshake to its end: who speaks, and whether they still may (requirements RT-02, RT-08, TOK-17).

The access token comes with the handshake (`Authorization`, or the subprotocol `bearer.<token>` beside `daftar.v1`, which is all that
a browser can send), or in the first message. It never comes in the address, which ends up in logs. What is checked of it is what
is checked of every request; and it is checked again whenever the log says that something was taken from the account or session, and
when the token expires.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from api.allowance import Allowance
from api.assembly import AppServices
from api.context import RequestContext
from api.envelope import timestamp
from api.errors import failure_of, localised
from api.localisation.languages import catalogue_for
from api.realtime.frames import Authenticate, Authenticated, error_frame, read_data, read_frame, written
from api.realtime.sockets import Seat, Sockets
from api.security import InvalidToken, NoToken, TokenTooOld, by_token, check_standing, take_token
from application.shared.command import StoreUnavailable, Unavailable
from domain.shared.errors import DomainError, InvalidInput, Problem
from infrastructure.security.tokens import AccessClaims

SUBPROTOCOL: Final = "daftar.v1"
BEARER: Final = "bearer."
"""Before a token among the subprotocols."""

AUTHENTICATE_SECONDS: Final = 10.0
"""For so long a client may be silent about who it is."""

LOOK_AGAIN_SECONDS: Final = 10.0
"""How often it is asked how an account stands when nothing is heard of it; in memory, while all is well."""

ANSWER_SECONDS: Final = 3.0
"""A log that takes longer to say how somebody stands counts as away."""

UNSURE_SECONDS: Final = 10.0
"""For how long somebody stays of whom the log, which is away, cannot say how they stand."""

FAREWELL_SECONDS: Final = 1.0
"""For so long a client is waited for to take the last words."""

MESSAGES_AT_ONCE: Final = 60
MESSAGES_A_SECOND: Final = 10.0

UNAUTHENTICATED: Final = 4401
TOO_MANY: Final = 4429
TRY_AGAIN: Final = 1013


GONE: Final = (WebSocketDisconnect, OSError)
"""What saying something raises when the client has hung up (ASGI, WebSocket 2.4)."""


class Farewell(Exception):
    """The server ends it; `reason` is a code of our errors."""

    def __init__(self, code: int, reason: str, error: Exception | None = None) -> None:
        """`code` is that of the close (RFC 6455 §7.4), from 4000 on our own; `error` is told before."""
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.error = error


def token_offered(subprotocols: list[str]) -> str | None:
    """The token among the subprotocols that a client offers."""
    return next((each[len(BEARER) :] for each in subprotocols if each.startswith(BEARER)), None)


class Talk:
    """One channel. Reads one message at a time, so that nobody can make us hold more."""

    def __init__(
        self,
        socket: WebSocket[Any, Any, Any],
        context: RequestContext,
        services: AppServices,
        seat: Seat,
    ) -> None:
        """`socket` is accepted; a token that came with its handshake has been taken into `context`."""
        self._socket = socket
        self._context = context
        self._services = services
        self._sockets: Sockets = services.sockets
        self._seat = seat
        self._claims: AccessClaims | None = None
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self._named_by = self._now() + AUTHENTICATE_SECONDS
        self._look_at = 0.0
        self._unsure_since: float | None = None
        self._messages = Allowance(at_once=MESSAGES_AT_ONCE, a_second=MESSAGES_A_SECOND, now=self._now())

    async def hold(self) -> None:
        """Talk until one side ends it.

        Raises:
            Those of `GONE`: the client has hung up.
        """
        try:
            if self._context.claims is not None or self._context.token_refusal is not None:
                await self._authenticate()
            await self._listen()
        except Farewell as farewell:
            # Whoever takes nothing is not waited for: the connection ends with this.
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    if farewell.error is not None:
                        await self._tell(farewell.error)
                    await self._socket.close(farewell.code, farewell.reason)

    async def _listen(self) -> None:
        receiving: asyncio.Future[Any] = asyncio.ensure_future(self._socket.receive())
        doubtful = asyncio.ensure_future(self._seat.doubtful.wait())
        try:
            while True:
                await asyncio.wait(
                    {receiving, doubtful},
                    timeout=self._seconds_of_rest(),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                self._look_at_the_clock()
                if doubtful.done() or (self._claims is not None and self._now() >= self._look_at):
                    self._seat.doubtful.clear()
                    if doubtful.done():
                        doubtful = asyncio.ensure_future(self._seat.doubtful.wait())
                    await self._look_again()
                if receiving.done():
                    message = receiving.result()
                    if message["type"] == "websocket.disconnect":
                        return
                    await self._heed(message)
                    receiving = asyncio.ensure_future(self._socket.receive())
        finally:
            for each in (receiving, doubtful):
                each.cancel()
            await asyncio.gather(receiving, doubtful, return_exceptions=True)

    # --- who speaks ----------------------------------------------------------------------------------------

    async def _authenticate(self) -> None:
        """By the token in the context, for the first time or anew.

        Raises:
            Farewell: it is the first, and not good; or there is no room.
        """
        try:
            async with _in_time():
                caller = await by_token(self._context, self._services)
            claims = self._context.claims
            assert claims is not None, "whoever is let in has shown a token"
            if self._claims is not None and claims.account_id != self._claims.account_id:
                raise InvalidToken("This token is of another account than the channel.")
        except (DomainError, Unavailable) as refused:
            if self._claims is None:
                raise self._farewell(refused) from refused
            await self._tell(refused)
            return
        if not self._sockets.has_room_for(claims.account_id, self._seat):
            raise Farewell(TOO_MANY, "RATE_LIMIT_EXCEEDED")
        # Named first, so that whatever is taken from them while they are greeted is heard of.
        self._sockets.name(self._seat, claims.account_id, claims.session_id)
        self._claims = claims
        self._look_at = self._now() + LOOK_AGAIN_SECONDS
        await self._say(
            "authenticated",
            Authenticated(
                user_id=claims.account_id,
                role=caller.role or "",
                session_id=claims.session_id,
                expires_at=timestamp(claims.expires_at),
            ),
        )
        # What was taken between the look and the naming was heard of by nobody.
        self._seat.doubtful.set()

    async def _look_again(self) -> None:
        """Whether whoever has spoken still may.

        Raises:
            Farewell: they may not, or nobody can say for too long.
        """
        if self._claims is None:
            return
        try:
            async with _in_time():
                # Nobody was seen: a page that was left open is not somebody at work.
                await check_standing(self._claims, self._services)
        except DomainError as refused:
            raise self._farewell(refused) from refused
        except Unavailable as away:
            now = self._now()
            self._unsure_since = self._unsure_since or now
            if now - self._unsure_since >= UNSURE_SECONDS:
                raise self._farewell(away) from away
            self._look_at = now + 1.0
        else:
            self._unsure_since = None
            self._look_at = self._now() + LOOK_AGAIN_SECONDS

    def _look_at_the_clock(self) -> None:
        """End what has lasted too long.

        Raises:
            Farewell: nobody has said who they are, or the token has expired and no other has come.
        """
        refused: DomainError
        if self._claims is None:
            if self._now() < self._named_by:
                return
            refused = NoToken("Nobody has said who speaks.")
        else:
            if self._clock() < self._claims.expires_at:
                return
            refused = TokenTooOld("The access token has expired.")
        raise self._farewell(refused)

    def _seconds_of_rest(self) -> float:
        if self._claims is None:
            return max(0.0, self._named_by - self._now())
        good_for = (self._claims.expires_at - self._clock()).total_seconds()
        return max(0.0, min(good_for, self._look_at - self._now()))

    def _clock(self) -> datetime:
        return self._services.clock()

    # --- what is said --------------------------------------------------------------------------------------

    async def _heed(self, message: Any) -> None:
        if not self._messages.take(self._now()):
            raise Farewell(TOO_MANY, "RATE_LIMIT_EXCEEDED")
        try:
            text = message.get("text")
            if text is None:
                raise _odd("A message is text, not bytes.")
            frame = read_frame(text)
            if frame.event == "authenticate":
                take_token(read_data(frame, Authenticate).token, self._context, self._services)
                await self._authenticate()
            elif self._claims is None:
                raise NoToken("Say who you are first: the event authenticate.")
            else:
                raise _odd("Nobody knows this event.", "event")
        except DomainError as refused:
            if self._claims is None:
                raise self._farewell(refused) from refused
            await self._tell(refused)

    async def _say(self, event: str, data: object) -> None:
        await self._socket.send_data(written(event, data))

    async def _tell(self, error: Exception) -> None:
        context = self._context
        failure = localised(failure_of(error, context.path), catalogue_for(context.headers))
        await self._socket.send_data(error_frame(failure, context.request_id))

    @staticmethod
    def _farewell(error: DomainError | Unavailable) -> Farewell:
        return Farewell(TRY_AGAIN if isinstance(error, Unavailable) else UNAUTHENTICATED, error.code, error)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield
    except TimeoutError as error:
        raise StoreUnavailable("The log does not answer.") from error


def _odd(message: str, field: str = "") -> InvalidInput:
    return InvalidInput(message, problems=[Problem(field, message, "invalid")])
