"""What the supervisor has to know of a program that it keeps running."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec


class Restart(Enum):
    """What follows when a child ends although nobody asked it to."""

    ALWAYS = "always"
    """It is started again, whatever its exit code; after too many ends in a minute everything stops."""

    NEVER = "never"
    """Its end is the end of everything that runs beside it."""


class Output(Enum):
    """Where the standard output and the standard error of a child go."""

    FILE = "file"
    """To `logs/<name>.log` in the data folder; an error at the start quotes its last lines."""

    INHERIT = "inherit"
    """To where the supervisor's own go, as container platforms want it."""


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One program: how it starts, how it is known to be well, how it ends.

    Files that it creates are private to its account (its umask is 077), and it reads nothing from the terminal.

    Its representation leaves the environment and the arguments out, because they may carry secrets.
    """

    name: str
    """Unique among all that one data folder supervises; lower-case words joined by hyphens."""

    argv: tuple[str, ...]
    """The program, by path or by name, with its arguments. Arguments are visible to everyone on the machine."""

    env: Mapping[str, str] | None = None
    """The whole environment; None passes the supervisor's own."""

    cwd: Path | None = None
    """The working directory; None is the supervisor's own."""

    health: Callable[[], Awaitable[bool]] | str | None = None
    """Whether it answers: asked every 20 ms until it is true. A string is an `http:` URL that must answer 2xx.
    None takes a child that is still running after a tenth of a second as healthy."""

    prepare: Callable[[], Awaitable[None]] | None = None
    """Run before each start, restarts included, so it must do nothing the second time."""

    complete: Callable[[], Awaitable[None]] | None = None
    """Run once it answers and before it counts as healthy, at each start; must do nothing the second time."""

    clean: Callable[[], None] | None = None
    """Run when it has been stopped, or couldn't be started; for traces outside of the data folder."""

    run_as: str | None = None
    """The account to become first. Only root can; None stays."""

    stop_signal: signal.Signals = signal.SIGTERM
    """Asks for an orderly end."""

    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends when the supervisor itself was killed. Choose SIGTERM for a child that has children of
    its own and ends them; a child that takes long to end would still hold its port when the next supervisor starts."""

    start_seconds: float = 30.0
    """How long it may take from its start to its first healthy answer, `complete` included."""

    grace_seconds: float = 10.0
    """How long it may take to end after `stop_signal`; then its process group is killed."""

    order: int = 0
    """Lower numbers start first, equal ones together; they stop the other way round."""

    restart: Restart = Restart.ALWAYS
    output: Output = Output.FILE

    def __repr__(self) -> str:
        return f"Child({self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("name", self.name)]
