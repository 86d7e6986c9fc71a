"""Whether a server answers, asked in its own protocol and not waited for."""

import asyncio
from urllib.parse import urlsplit

import aiosmtplib

from infrastructure.files.minio import client_of
from infrastructure.security.secrets import Secret
from infrastructure.settings import ObjectStoreSettings, SmtpSettings

PATIENCE_SECONDS = 1.5
NATS_PORT = 4222


class BucketMissing(LookupError):
    """The object store answers, but has no bucket of the name that the settings give: nothing can be kept there."""


async def nats_answers(url: Secret) -> None:
    """Read the greeting of any server of a cluster. All are asked at the same time: some may hang.

    Raises:
        OSError, TimeoutError: none answered.
    """
    asked = [asyncio.create_task(_nats_greets(part.strip())) for part in url.reveal().split(",")]
    try:
        for answer in asyncio.as_completed(asked):
            try:
                await answer
            except (OSError, TimeoutError) as error:
                last = error
            else:
                return
        raise last
    finally:
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def _nats_greets(url: str) -> None:
    server = urlsplit(url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(server.hostname, server.port or NATS_PORT)
        try:
            if not (await reader.readline()).startswith(b"INFO "):
                raise ConnectionError("What answers is not NATS.")
        finally:
            writer.close()


async def mail_answers(smtp: SmtpSettings) -> None:
    """Greet the mail server and leave; nothing is sent (requirements NTF-14).

    Raises:
        aiosmtplib.SMTPException: it does not answer as a mail server does.
    """
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        use_tls=smtp.implicit_tls,
        start_tls=False,
        timeout=PATIENCE_SECONDS,
        # Our own name is not looked up: that can take seconds.
        local_hostname="localhost",
    )
    async with client:
        await client.noop()


async def object_store_answers(store: ObjectStoreSettings) -> None:
    """Ask for the bucket; the client is synchronous and works in a thread.

    Raises:
        urllib3.exceptions.HTTPError, minio.error.MinioException: the store does not answer, or not to us.
        BucketMissing: it has no such bucket.
    """
    await asyncio.to_thread(_look_for_bucket, store)


def _look_for_bucket(store: ObjectStoreSettings) -> None:
    # A tenth of a second to import, for something that is asked now and then.
    import urllib3

    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=1.0, read=PATIENCE_SECONDS), retries=False)
    try:
        if not client_of(store, pool).bucket_exists(store.bucket):
            raise BucketMissing(f"The object store has no bucket {store.bucket}.")
    finally:
        pool.clear()
