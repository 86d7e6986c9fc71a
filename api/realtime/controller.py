"""Where WebSockets are opened."""

from contextlib import suppress
from typing import Any, Final

from litestar import Controller, Request, WebSocket, get, websocket

from api.assembly import services_of
from api.context import application_of, context_of
from api.envelope import Envelope
from api.errors import UpgradeRequired, failure_of, record
from api.limits import UNLIMITED, take_one
from api.middleware.shell import send_failure
from api.openapi import NOT_A_QUERY, errors
from api.realtime.talk import GONE, SUBPROTOCOL, Talk, token_offered
from api.security import look_at_token, take_token
from application.shared.command import Overloaded
from domain.shared.errors import InvalidInput, Problem

INTERNAL_ERROR: Final = 1011


class RealtimeController(Controller):
    """The real-time channel."""

    path = "/ws"
    tags = ("Real time",)

    @get(
        "/",
        summary="Open the real-time channel (WebSocket)",
        opt=NOT_A_QUERY,
        responses=errors("UPGRADE_REQUIRED"),
    )
    async def no_socket(self, request: Request[Any, Any, Any]) -> Envelope[None]:
        """A WebSocket (RFC 6455) with one JSON object a text message: `{"event": "...", "data": {...}}`.

        The access token comes with the handshake, as `Authorization: Bearer <token>` or, from a browser, as the second of the
        subprotocols `daftar.v1` and `bearer.<token>`; or in the first message, within ten seconds:
        `{"event": "authenticate", "data": {"token": "..."}}`. Never in the address. The server answers `authenticated` with
        `userId`, `role`, `sessionId` and `expiresAt`. Another `authenticate` with a fresh token of the same account, before the old
        one expires, keeps the channel open.

        What goes wrong is told as `{"event": "error", "data": {"code": "...", "message": "..."}}`, with the codes of this document.
        Once it is known who speaks it ends nothing by itself; before that, the server closes. It closes with 4401 and the code as its
        reason when the token is missing, bad, expired or revoked, when the account may not act any more, or when something else is
        said first; with 4429 after too many messages or channels; with 1009 when a message is longer than 64 KiB; with 1011 when
        something broke here; with 1013 when the log is away, and with 1012 when it restarts: come again. Pages of foreign origins
        are refused with 403 before anything else.

        Asked for without a wish to upgrade, the answer is always 426.
        """
        raise UpgradeRequired("This is a WebSocket: ask for an upgrade.")

    @websocket("/", opt=UNLIMITED)
    async def talk(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Let somebody in and talk."""
        context = context_of(socket)
        try:
            await _let_in(socket)
        except GONE:
            return
        except Exception as error:  # noqa: BLE001 -- the last place where anything can be answered
            failure = failure_of(error, context.path)
            record(error, failure, context, "GET")
            with suppress(*GONE):
                if socket.connection_state == "init":
                    await send_failure(failure, context, socket.send, kind="websocket.http")
                else:
                    await socket.close(INTERNAL_ERROR, failure.code)


async def _let_in(socket: WebSocket[Any, Any, Any]) -> None:
    context, services = context_of(socket), services_of(socket)
    offered: list[str] = socket.scope["subprotocols"]
    if offered and SUBPROTOCOL not in offered:
        message = f"Of the subprotocols, {SUBPROTOCOL} is spoken here."
        raise InvalidInput(message, problems=[Problem("Sec-WebSocket-Protocol", message, "invalid")])
    token = token_offered(offered)
    if token is not None:
        take_token(token, context, services)
    else:
        look_at_token(context, services)
    if application_of(socket).limits.enabled:
        await take_one(socket)
    if services.sockets.full:
        raise Overloaded("Too many have a channel open.", retry_after_seconds=5)
    seat = services.sockets.sit_down()
    try:
        await socket.accept(SUBPROTOCOL if offered else None)
        await Talk(socket, context, services, seat).hold()
    finally:
        services.sockets.leave(seat)


CONTROLLERS: tuple[type[Controller], ...] = (RealtimeController,)
