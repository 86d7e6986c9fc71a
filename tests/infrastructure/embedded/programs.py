"""Supervisors as processes of their own, and what their stores are asked to keep."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import nats
import psycopg
import redis.asyncio
import urllib3
from minio import Minio

from infrastructure.embedded.services import ServiceUrls

ROOT = Path(__file__).parents[3]


class Program:
    """A running `supervised.py`; killed at the end of the block if it still runs."""

    def __init__(
        self,
        data_dir: Path,
        services: Sequence[str],
        *,
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
        account: tuple[int, int] | None = None,
    ) -> None:
        user, group = account or (None, None)
        self._popen = subprocess.Popen(
            (python, "-u", "-m", "tests.infrastructure.embedded.supervised", str(data_dir), *services),
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            group=group,
            extra_groups=None if account is None else (),
        )
        self.pid = self._popen.pid
        self.said: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.communicate()

    async def until_it_says(self, word: str, *, seconds: float = 30.0) -> None:
        """Wait for a line of its standard output."""
        async with asyncio.timeout(seconds):
            while word not in self.said:
                assert self._popen.stdout is not None
                line = await asyncio.to_thread(self._popen.stdout.readline)
                assert line, f"it ended: {self._popen.communicate()[1]}"
                self.said.append(line.strip())

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    async def ended(self, *, seconds: float = 30.0) -> tuple[int, str, str]:
        """Wait for its end; its exit code and what else it printed."""
        out, err = await asyncio.to_thread(self._popen.communicate, timeout=seconds)
        return self._popen.returncode, out, err


def minio(urls: ServiceUrls, pool: urllib3.PoolManager, *, secret_key: str | None = None) -> Minio:
    assert urls.s3_endpoint is not None
    return Minio(
        urls.s3_endpoint.removeprefix("http://"),
        access_key=urls.s3_access_key,
        secret_key=secret_key or urls.s3_secret_key,
        region="us-east-1",
        secure=False,
        http_client=pool,
    )


async def put_everywhere(urls: ServiceUrls, value: str) -> None:
    """Leave a value in each of the four stores."""
    assert urls.database_url is not None
    assert urls.nats_url is not None
    assert urls.redis_url is not None
    assert urls.s3_bucket is not None
    async with await psycopg.AsyncConnection.connect(urls.database_url, autocommit=True) as postgres:
        await postgres.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        await postgres.execute("INSERT INTO kept VALUES (%s)", (value,))
    broker = await nats.connect(urls.nats_url)
    try:
        stream = broker.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept"])
        await stream.publish("kept", value.encode())
    finally:
        await broker.close()
    async with redis.asyncio.from_url(urls.redis_url) as cache:
        await cache.set("kept", value)
        # Appended to the file at once, synced within a second: the kill of a process loses nothing.
    with urllib3.PoolManager() as pool:
        content = value.encode()
        minio(urls, pool).put_object(urls.s3_bucket, "kept", io.BytesIO(content), len(content))


async def found_everywhere(urls: ServiceUrls) -> dict[str, str]:
    """What the four stores hold."""
    assert urls.database_url is not None
    assert urls.nats_url is not None
    assert urls.redis_url is not None
    assert urls.s3_bucket is not None
    found: dict[str, str] = {}
    async with await psycopg.AsyncConnection.connect(urls.database_url) as postgres:
        cursor = await postgres.execute("SELECT value FROM kept")
        row = await cursor.fetchone()
        found["postgres"] = "" if row is None else row[0]
    broker = await nats.connect(urls.nats_url)
    try:
        message = await broker.jetstream().get_last_msg("KEPT", "kept")
        found["nats"] = (message.data or b"").decode()
    finally:
        await broker.close()
    async with redis.asyncio.from_url(urls.redis_url, decode_responses=True) as cache:
        found["redis"] = str(await cache.get("kept"))
    with urllib3.PoolManager() as pool:
        response = minio(urls, pool).get_object(urls.s3_bucket, "kept")
        found["s3"] = response.read().decode()
        response.close()
    return found
