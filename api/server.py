"""The API role: one worker process, sharing its port with its siblings."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from types import FrameType

import uvicorn

from api.app import Application, create_app
from api.assembly import AppServices, open_services
from api.controllers import CONTROLLERS
from api.wire import FRAME_BYTES_MAXIMUM, PING_SECONDS, WireProtocol, WireSocket
from infrastructure.bootstrap import Machinery
from infrastructure.memory import settle_memory
from infrastructure.settings import Settings


async def serve_api(tools: Machinery) -> None:
    """Answer requests until SIGTERM or SIGINT; then finish those under way."""
    settings = tools.settings
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(tools))
        application = create_app(services, CONTROLLERS, projection_lag=lambda: _behind(services))
        application.metrics.register(services.sockets)
        settle_memory()
        listener = listen(settings)
        stack.enter_context(contextlib.closing(listener))
        server = _Server(wire_config(application), at_exit=application.limits.slowdown.close)
        await server.serve(sockets=[listener])


def wire_config(application: Application) -> uvicorn.Config:
    """How an application is put on the wire."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=WireProtocol,
        ws=WireSocket,
        ws_max_size=FRAME_BYTES_MAXIMUM,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=8,
        backlog=2048,
    )


async def _behind(services: AppServices) -> dict[str, float]:
    """How many positions of the log each read model has not taken yet."""
    head = await services.store.head()
    return {each.name: float(max(0, head - each.position)) for each in await services.reader.tracked()}


class _Server(uvicorn.Server):
    """Ends in order on SIGTERM and SIGINT, and lets the process end with exit code 0."""

    def __init__(self, config: uvicorn.Config, *, at_exit: Callable[[], None]) -> None:
        """`at_exit` is called when it is told to end: nobody should wait any longer for what can be done at once."""
        super().__init__(config)
        self._at_exit = at_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more connections, finish what is under way."""
        self._at_exit()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As the base class, but without raising the signal again once everything is closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def listen(settings: Settings) -> socket.socket:
    """A listening socket that several workers can open at once; the kernel spreads connections among them."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.http.listen_host, settings.http.port))
    listener.listen(2048)
    listener.setblocking(False)
    return listener
