"""The data folder of embedded servers and supervised roles.

    run/lock          held while a supervisor works here
    run/ports.json    where each server listens; kept, so that addresses stay the same from start to start
    run/secrets.json  generated passwords and keys, readable by the owner only
    run/pids.json     what runs now, for the next supervisor in case this one is killed
    logs/<name>.log   what each child printed
    pg18/ nats/ valkey/ s3/ mail/

The folder and everything in it is private to its owner. A folder that was there before us is left as it is, and so are
all folders above it.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
import structlog

from infrastructure.embedded import processes
from infrastructure.embedded.errors import AlreadyRunning, FolderUnusable

log = structlog.get_logger(__name__)

T = TypeVar("T")

LOCK_SECONDS = 0.5
"""A killed supervisor lets go of its lock within milliseconds, but not always before its parent learns of its end."""

LEFTOVER_SECONDS = 8.0
"""How long children of a killed supervisor may take to end by themselves."""

LOG_LIMIT_BYTES = 50 * 1024 * 1024
TAIL_BYTES = 4096
TAIL_LINES = 20

PORT_RANGE = range(20_000, 32_000)
"""Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections: while a server restarts,
no connection can be given its port, not even the very connection that asks whether the server is back."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """Passwords and keys of one data folder; generated once, since data may be encrypted with them."""

    postgres_password: str = ""
    database_password: str = ""
    nats_token: str = ""
    redis_password: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    jwt_secret: str = ""
    jwt_refresh_secret: str = ""
    encryption_key: str = ""
    password_pepper: str = ""

    def __repr__(self) -> str:
        return "Secrets(***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class RecordedProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One running child as the next supervisor must know it."""

    pid: int
    started: str
    death_signal: int

    def alive(self) -> bool:
        """Whether this very process still runs, and not another one that got its number."""
        return processes.started(self.pid) == self.started


class Journal(msgspec.Struct, kw_only=True):
    """The content of `run/pids.json`."""

    machine: str
    processes: dict[str, RecordedProcess]


class DataFolder:
    """One data folder, worked on by at most one supervisor at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.run = self.root / "run"
        self.logs = self.root / "logs"
        self._pids = self.run / "pids.json"
        self._lock: int | None = None
        self._journal = Journal(machine="", processes={})

    # The lock

    async def acquire(self) -> None:
        """Create the folder if need be, take its lock and end what an earlier supervisor left running.

        Raises:
            AlreadyRunning: another supervisor holds the lock.
            FolderUnusable: the folder can't be created or written, or a leftover can't be ended.
        """
        try:
            for folder in (self.root, self.run, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderUnusable(f"The data folder {self.root} can't be used: {error}.") from error
        try:
            await self._take(descriptor)
            await self._end_leftovers()
            self._journal = Journal(machine=processes.machine(), processes={})
            _write(self._pids, self._journal)
        except OSError as error:
            os.close(descriptor)
            raise FolderUnusable(f"The data folder {self.root} can't be written: {error}.") from error
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def release(self) -> None:
        """Let the next supervisor in; does nothing the second time."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _take(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() < deadline:
                    await asyncio.sleep(0.02)
                    continue
                owner = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
                by = f" by process {owner}" if owner.isdigit() else ""
                raise AlreadyRunning(
                    f"The data folder {self.root} is already in use{by}. "
                    "Stop that one first, or choose another folder with DAFTAR_DATA_DIR."
                ) from error
            except OSError as error:
                raise FolderUnusable(
                    f"The file system of {self.root} offers no file locks ({error}): choose a local folder."
                ) from error
            else:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
                return

    def in_use(self) -> bool:
        """Whether a supervisor works here at this moment."""
        try:
            descriptor = os.open(self.run / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        else:
            return False
        finally:
            os.close(descriptor)

    # What runs

    def remember(self, name: str, pid: int, death_signal: signal.Signals) -> None:
        """Note a child for the case that this supervisor is killed."""
        started = processes.started(pid)
        if started is not None:
            self._journal.processes[name] = RecordedProcess(
                pid=pid, started=started, death_signal=death_signal
            )
            self._write_journal()

    def forget(self, name: str) -> None:
        """A child has ended."""
        if self._journal.processes.pop(name, None) is not None and self._lock is not None:
            self._write_journal()

    def recorded(self) -> dict[str, RecordedProcess]:
        """The children that the last supervisor of this folder noted on this machine, alive or not."""
        journal = self._read(self._pids, Journal)
        return journal.processes if journal is not None and journal.machine == processes.machine() else {}

    async def _end_leftovers(self) -> None:
        left = {name: process for name, process in self.recorded().items() if process.alive()}
        if not left:
            return
        for name, process in left.items():
            log.warning("leftover_found", name=name, pid=process.pid)
            # Linux has sent this signal already (see launch.py); elsewhere nobody has.
            self._signal(name, process, signal.Signals(process.death_signal))
        if await self._all_gone(left, LEFTOVER_SECONDS):
            return
        for name, process in left.items():
            if process.alive():
                self._signal(name, process, signal.SIGKILL)
        if not await self._all_gone(left, LEFTOVER_SECONDS):
            names = ", ".join(f"{name} (process {p.pid})" for name, p in left.items() if p.alive())
            raise FolderUnusable(
                f"Processes of an earlier run don't end: {names}. End them by hand and start again."
            )

    def _signal(self, name: str, process: RecordedProcess, number: signal.Signals) -> None:
        try:
            if number is signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError as error:
            raise FolderUnusable(
                f"{name} (process {process.pid}) of an earlier run belongs to another account. "
                "End it by hand, or start with the account that started it."
            ) from error

    @staticmethod
    async def _all_gone(left: dict[str, RecordedProcess], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while any(process.alive() for process in left.values()):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _write_journal(self) -> None:
        try:
            _write(self._pids, self._journal)
        except OSError as error:
            # A full disk must not stop the supervision; on Linux the kernel ends the children all the same.
            log.warning("pids_not_written", path=str(self._pids), error=str(error))

    # Ports

    def known_ports(self) -> dict[str, int]:
        """The ports of the last start, as far as they make sense."""
        ports = self._read(self.run / "ports.json", dict[str, int]) or {}
        return {name: port for name, port in ports.items() if 1024 <= port <= 65535}

    def ports(self, names: Sequence[str]) -> dict[str, int]:
        """One free port of 127.0.0.1 for each name: the one of the last start, or a new one where that is taken.

        All are held open together while they are chosen, so no two names can get the same.
        """
        known = self.known_ports()
        taken = set(known.values())
        held: dict[str, socket.socket] = {}
        try:
            for name in names:
                old = known.get(name)
                listener = None if old is None else _listen(old)
                if listener is None:
                    if old is not None:
                        log.warning("port_taken", name=name, port=old)
                    listener = _listen_anywhere(avoiding=taken)
                held[name] = listener
            chosen = {name: int(listener.getsockname()[1]) for name, listener in held.items()}
        finally:
            for listener in held.values():
                listener.close()
        if any(known.get(name) != port for name, port in chosen.items()):
            _write(self.run / "ports.json", known | chosen)
        return chosen

    # Secrets

    def secrets(self) -> Secrets:
        """Passwords and keys of this folder; what is missing is generated and kept.

        Raises:
            FolderUnusable: the file is lost or damaged. New secrets would lock us out of the data, so we don't guess.
        """
        path = self.run / "secrets.json"
        known = self.known_secrets()
        if known is None:
            if (self.root / "pg18").exists():
                raise FolderUnusable(
                    f"{path} is missing, and without it the data in {self.root} can't be read. "
                    "Restore the file, or move the folder away to begin anew."
                )
            known = Secrets()
        elif path.stat().st_mode & 0o077:
            path.chmod(0o600)
        fresh = {
            "postgres_password": secrets.token_hex(24),
            "database_password": secrets.token_hex(24),
            "nats_token": secrets.token_hex(24),
            "redis_password": secrets.token_hex(24),
            "s3_access_key": secrets.token_hex(10),
            "s3_secret_key": secrets.token_hex(24),
            "jwt_secret": secrets.token_urlsafe(48),
            "jwt_refresh_secret": secrets.token_urlsafe(48),
            "encryption_key": secrets.token_hex(32),
            "password_pepper": secrets.token_urlsafe(48),
        }
        missing = {name: value for name, value in fresh.items() if not getattr(known, name)}
        if missing:
            known = msgspec.structs.replace(known, **missing)
            _write(path, known, durable=True)
        return known

    def known_secrets(self) -> Secrets | None:
        """The secrets as they are kept, or None when there are none yet."""
        path = self.run / "secrets.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Secrets)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            # The decoder's message names a place in the file, never a value.
            raise FolderUnusable(
                f"{path} can't be read ({error}). Start with the account that owns it, or restore it from a copy."
            ) from error

    # Logs

    def log_of(self, name: str) -> Path:
        """Where the output of a child goes."""
        return self.logs / f"{name}.log"

    def open_log(self, name: str) -> BinaryIO:
        """The log of a child, to append to. A log over 50 MB is set aside first; one older log is kept."""
        path = self.log_of(name)
        try:
            if path.stat().st_size > LOG_LIMIT_BYTES:
                path.replace(path.with_suffix(".log.1"))
        except FileNotFoundError:
            pass
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")

    def tail(self, name: str, *, since: int) -> str:
        """The last lines of a log, none of them older than byte `since`; empty when there are none."""
        try:
            with self.log_of(name).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(since, size - TAIL_BYTES))
                lines = file.read(TAIL_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    @staticmethod
    def _read(path: Path, kind: type[T]) -> T | None:
        """A file that can be made anew: damage counts as absence."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("file_unreadable", path=str(path), error=str(error))
            return None


def _write(path: Path, content: object, *, durable: bool = False) -> None:
    """Replace a file in one step; `durable` also survives a power cut."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        if durable:
            file.flush()
            os.fsync(file.fileno())
    fresh.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listen(port: int) -> socket.socket | None:
    """Listen on a port of 127.0.0.1, or None when another program does.

    Connections of the last run that still linger (TIME_WAIT) don't count as taken; hence SO_REUSEADDR. With it a bare
    `bind` would succeed beside another bound socket, hence `listen`.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(1)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise FolderUnusable(f"Port {port} of 127.0.0.1 can't be opened: {error}.") from error
    return listener


def _listen_anywhere(*, avoiding: set[int]) -> socket.socket:
    """Listen on some free port that isn't promised to another name."""
    for _ in range(1000):
        port = PORT_RANGE[secrets.randbelow(len(PORT_RANGE))]
        if port in avoiding:
            continue
        listener = _listen(port)
        if listener is not None:
            return listener
    raise FolderUnusable(f"No free port was found from {PORT_RANGE.start} to {PORT_RANGE.stop - 1}.")
