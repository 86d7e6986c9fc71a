"""Whether a server answers, asked in its own protocol and not waited for."""

import asyncio
from urllib.parse import urlsplit

import aiosmtplib

from infrastructure.security.secrets import Secret
from infrastructure.settings import SmtpSettings

PATIENCE_SECONDS = 1.5
NATS_PORT = 4222


async def nats_answers(url: Secret) -> None:
    """Read the greeting of the first server of a cluster that answers.

    Raises:
        OSError, TimeoutError: none did.
    """
    last: Exception = ConnectionError("No NATS server is named.")
    for part in url.reveal().split(","):
        server = urlsplit(part.strip())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                reader, writer = await asyncio.open_connection(server.hostname, server.port or NATS_PORT)
                try:
                    if not (await reader.readline()).startswith(b"INFO "):
                        raise ConnectionError("What answers is not NATS.")
                    return
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            last = error
    raise last


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
    )
    async with client:
        await client.noop()
