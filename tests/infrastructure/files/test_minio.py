"""Files in a real store that speaks S3, and what becomes of requests when it is away or hangs (MED-06)."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from application.media.ports import FilesAway
from infrastructure.embedded.services import ServiceUrls
from infrastructure.files.minio import MinioFiles
from infrastructure.security.secrets import Secret
from infrastructure.settings import ObjectStoreSettings, Settings
from tests.support.running import free_port
from tests.support.standins.http import Answering, Asked, Told, listening

PICTURE = b"RIFF....WEBP" + bytes(range(256))


def store_at(endpoint: str | None, bucket: str = "commerce-media") -> ObjectStoreSettings:
    return ObjectStoreSettings(
        endpoint=endpoint,
        public_endpoint=endpoint,
        access_key="nobody",
        secret_key=Secret("a secret of tests only, long enough"),
        region="us-east-1",
        bucket=bucket,
    )


@pytest.fixture
async def files(urls: ServiceUrls) -> AsyncIterator[MinioFiles]:
    opened = MinioFiles(Settings.from_environment(urls.as_environment() | {"APP_ENV": "test"}).s3)
    yield opened
    opened.close()


@pytest.mark.services
class TestTheStore:
    async def test_what_was_put_is_there_until_it_is_deleted(self, files: MinioFiles) -> None:
        key = f"tests/{uuid4()}"
        assert await files.get(key) is None
        await files.put(key, PICTURE, "image/webp")
        assert await files.get(key) == PICTURE
        await files.delete(key)
        assert await files.get(key) is None
        await files.delete(key)

    async def test_all_files_of_one_beginning_go_together_and_no_others(self, files: MinioFiles) -> None:
        mine, other = f"tests/{uuid4()}/", f"tests/{uuid4()}/"
        for key in (f"{mine}1", f"{mine}2", f"{other}1"):
            await files.put(key, PICTURE, "image/webp")
        assert await files.delete_all(mine) == 2
        assert await files.delete_all(mine) == 0
        assert await files.get(f"{mine}1") is None
        assert await files.get(f"{other}1") == PICTURE


class TestAMissingBucket:
    """Played by a stand-in: the embedded store makes whatever bucket it is asked about."""

    async def test_it_is_made_where_that_is_wanted(self) -> None:
        kept: list[str] = []
        async with listening(_store_without_buckets(kept)) as url:
            files = MinioFiles(store_at(url), make_bucket=True)
            await files.put("one", PICTURE, "image/webp")
            files.close()
        assert kept == ["/commerce-media", "/commerce-media/one"]

    async def test_elsewhere_it_is_an_outage(self) -> None:
        kept: list[str] = []
        async with listening(_store_without_buckets(kept)) as url:
            files = MinioFiles(store_at(url))
            with pytest.raises(FilesAway):
                await files.put("one", PICTURE, "image/webp")
            files.close()
        assert kept == []


def _store_without_buckets(kept: list[str]) -> Answering:
    async def answer(asked: Asked) -> Told:
        assert asked.method == "PUT"
        path = asked.path.rstrip("/")
        if path.count("/") > 1 and path.rpartition("/")[0] not in kept:
            told = b"<Error><Code>NoSuchBucket</Code><Message>No such bucket.</Message></Error>"
            return Told(404, told, {"Content-Type": "application/xml"})
        kept.append(path)
        return Told(200, b"", {"ETag": '"1"'})

    return answer


class TestWithoutTheStore:
    async def test_a_store_that_is_away_is_an_outage_and_then_left_alone(self) -> None:
        files = MinioFiles(store_at(f"http://127.0.0.1:{free_port()}"), pause_seconds=60)
        try:
            for _ in range(5):
                with pytest.raises(FilesAway) as away:
                    await files.put("one", PICTURE, "image/webp")
                assert "127.0.0.1" not in away.value.message
            with pytest.raises(FilesAway) as left_alone:
                await files.get("one")
            assert left_alone.value.retry_after_seconds > 50
        finally:
            files.close()

    async def test_a_store_that_hangs_is_given_up_in_time(self) -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        files = MinioFiles(store_at(f"http://127.0.0.1:{port}"), read_seconds=0.4, call_seconds=0.2)
        try:
            began = time.perf_counter()
            with pytest.raises(FilesAway):
                await files.get("one")
            assert time.perf_counter() - began < 0.39
        finally:
            files.close()
            await asyncio.sleep(0.4)
            server.close()

    async def test_where_no_store_is_configured_there_are_no_files(self) -> None:
        files = MinioFiles(store_at(None))
        with pytest.raises(FilesAway):
            await files.get("one")
        files.close()
