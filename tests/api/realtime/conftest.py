"""The application on the wire, and clients that open WebSockets to it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.assembly import AppServices
from api.controllers import CONTROLLERS
from api.server import wire_config
from tests.support.applications import application_on

Lines = list[dict[str, Any]]


@pytest.fixture
def lines() -> Lines:
    """What the access log said."""
    return []


@pytest.fixture
async def port(services: AppServices, lines: Lines) -> AsyncIterator[int]:
    """Where the application is served, with the very configuration of the product."""

    def note(event: str, **facts: Any) -> None:
        lines.append({"event": event, **facts})

    with socket.socket() as listener, application_on(services, CONTROLLERS, access_log=note) as app:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(wire_config(app))
        serving = asyncio.create_task(server._serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


class Channel:
    """One open channel."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, event: str, **data: Any) -> None:
        """Send a frame."""
        await self.connection.send(json.dumps({"event": event, "data": data}))

    async def hear(self) -> tuple[str, Any]:
        """Event and data of the next frame."""
        frame = json.loads(await asyncio.wait_for(self.connection.recv(), 10))
        return frame["event"], frame["data"]

    async def hear_error(self) -> str:
        """The code of an error, which is what must come next."""
        event, data = await self.hear()
        assert event == "error", data
        assert data["message"]
        code: str = data["code"]
        return code

    async def end(self) -> tuple[int, str]:
        """Code and reason with which the server closes, after whatever else it says."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(15):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


Open = Callable[..., Awaitable[Channel]]


@pytest.fixture
async def open_channel(port: int) -> AsyncIterator[Open]:
    """Open a channel, with a token in the header, among the subprotocols, or none."""
    async with AsyncExitStack() as stack:

        async def opened(token: str | None = None, **options: Any) -> Channel:
            headers = dict(options.pop("headers", {}))
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            path = options.pop("path", "/api/v1/ws")
            connection = await stack.enter_async_context(
                connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers, **options)
            )
            return Channel(connection)

        yield opened
