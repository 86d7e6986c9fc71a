"""Files in any store that speaks S3, through the synchronous client of MinIO, in threads (requirements MED-06, D-13).

A call has a time limit of its own, and a store that has failed some times in a row is left alone for a while: pages must not
wait for pictures.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from application.media.ports import FilesAway
from application.shared.command import Overloaded
from infrastructure.files.threads import BoundedThreads
from infrastructure.outbound.breaker import CircuitBreaker, CircuitOpen
from infrastructure.outbound.patience import within_patience
from infrastructure.settings import ObjectStoreSettings

if TYPE_CHECKING:
    from minio import Minio

T = TypeVar("T")

CONNECT_SECONDS: Final = 1.0
READ_SECONDS: Final = 5.0
CALL_SECONDS: Final = 8.0
"""For one call with all that it waits for; what still runs in its thread then ends by the limits above."""

PAUSE_SECONDS: Final = 5.0
"""How long the store is left alone after it has failed some times: until somebody who waits for it would ask again."""

THREADS: Final = 8
WAITING_MAXIMUM: Final = 256


class MinioFiles:
    """Implements `application.media.ports.Files`."""

    def __init__(
        self,
        store: ObjectStoreSettings,
        *,
        make_bucket: bool = False,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        call_seconds: float = CALL_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """Opens nothing yet. `make_bucket` says that a missing one is made when a file is to be put into it."""
        self._store = store
        self._make_bucket = make_bucket
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._call_seconds = call_seconds
        self._threads = BoundedThreads("files", threads=THREADS, waiting_maximum=WAITING_MAXIMUM)
        self._breaker = CircuitBreaker("object store", FilesAway, Overloaded, pause_seconds=pause_seconds)
        self._opened: tuple[Minio, Any] | None = None

    async def put(self, storage_key: str, content: bytes, content_type: str) -> None:
        """See the port."""
        await self._asked(lambda client: self._put(client, storage_key, content, content_type))

    async def get(self, storage_key: str) -> bytes | None:
        """See the port."""
        return await self._asked(lambda client: self._get(client, storage_key))

    async def delete(self, storage_key: str) -> None:
        """See the port."""
        await self._asked(lambda client: client.remove_object(self._store.bucket, storage_key))

    async def delete_all(self, beginning: str) -> int:
        """See the port."""
        return await self._asked(lambda client: self._delete_all(client, beginning))

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.close()
        if self._opened is not None:
            self._opened[1].clear()

    async def _asked(self, call: Callable[["Minio"], T]) -> T:
        if self._store.endpoint is None:
            raise FilesAway("No object store is configured, so that there are no files.")
        async with self._patiently():
            return await self._threads.run(lambda: self._called(call))

    @asynccontextmanager
    async def _patiently(self) -> AsyncIterator[None]:
        late = FilesAway("The object store does not answer in time.", retry_after_seconds=2)
        try:
            async with within_patience(self._breaker, late=late, seconds=self._call_seconds):
                yield
        except CircuitOpen as error:
            seconds = max(1, round(error.retry_after_seconds))
            raise FilesAway("The object store is away.", retry_after_seconds=seconds) from error

    def _called(self, call: Callable[["Minio"], T]) -> T:
        """In a thread. The client is a tenth of a second to import, for something that most processes never ask."""
        import urllib3.exceptions
        from minio.error import MinioException

        try:
            return call(self._client())
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            # The texts of such errors name the store, and some the key.
            raise FilesAway("The object store is away.", retry_after_seconds=2) from error

    def _client(self) -> "Minio":
        if self._opened is None:
            import urllib3

            pool = urllib3.PoolManager(
                maxsize=THREADS,
                timeout=urllib3.Timeout(connect=self._connect_seconds, read=self._read_seconds),
                retries=False,
            )
            self._opened = (client_of(self._store, pool), pool)
        return self._opened[0]

    def _put(self, client: "Minio", storage_key: str, content: bytes, content_type: str) -> None:
        from minio.error import S3Error

        def put() -> None:
            client.put_object(
                self._store.bucket, storage_key, BytesIO(content), len(content), content_type=content_type
            )

        try:
            put()
        except S3Error as error:
            if error.code != "NoSuchBucket" or not self._make_bucket:
                raise
            client.make_bucket(self._store.bucket)
            put()

    def _get(self, client: "Minio", storage_key: str) -> bytes | None:
        from minio.error import S3Error

        try:
            answer = client.get_object(self._store.bucket, storage_key)
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise
        try:
            content: bytes = answer.read()
        finally:
            answer.close()
            answer.release_conn()
        return content

    def _delete_all(self, client: "Minio", beginning: str) -> int:
        found = list(client.list_objects(self._store.bucket, prefix=beginning, recursive=True))
        for each in found:
            client.remove_object(self._store.bucket, each.object_name)
        return len(found)


def client_of(store: ObjectStoreSettings, pool: Any) -> "Minio":
    """A client of the store that the settings name, over connections of the caller's."""
    from minio import Minio

    assert store.endpoint is not None, "only a store that is configured is asked"
    parts = urlsplit(store.endpoint if "://" in store.endpoint else f"http://{store.endpoint}")
    return Minio(
        parts.netloc,
        access_key=store.access_key,
        secret_key=store.secret_key.reveal() if store.secret_key is not None else None,
        secure=parts.scheme == "https",
        region=store.region,
        http_client=pool,
    )
