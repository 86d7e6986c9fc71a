"""A mail server for development: it keeps each message as a file and delivers none.

    python -m infrastructure.embedded.mail_sink --port 2525 --folder .daftar/mail

A file is named `<moment of arrival>-<Message-ID>.eml`, so names in order are messages in order of arrival; a message
that is sent again is kept again. It begins with the envelope (`Return-Path`, and one `Delivered-To` a recipient), which
shows what the message itself may hide. Addresses that begin with `bounce` are refused with 550, so that the path of an
undeliverable mail can be walked too.

It listens on 127.0.0.1, asks for no password and offers no TLS.
"""

import argparse
import asyncio
import email
import email.policy
import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

STAMP = "%Y%m%dT%H%M%S.%fZ"
STAMP_LENGTH = len("20250101T120000.000000Z")
LONGEST_NAME = 80
SIZE_LIMIT_BYTES = 32 * 1024 * 1024


class MailFolder:
    """Keeps messages as files whose names sort in order of arrival."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock = clock
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in folder.glob(".*.new"):
            unfinished.unlink(missing_ok=True)
        newest = max((path.name for path in folder.glob("*.eml")), default="")
        self._last = _moment(newest[:STAMP_LENGTH])

    def keep(self, content: bytes, *, sender: str, recipients: list[str]) -> Path:
        """Write one message; it appears under its name only when it is whole."""
        # The clock may stand still between two messages, or be set back; the order must not be.
        arrived = max(self._clock(), self._last + timedelta(microseconds=1))
        self._last = arrived
        name = f"{arrived.strftime(STAMP)}-{_words_of_message_id(content)}.eml"
        envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {address}" for address in recipients)]
        fresh = self._folder / f".{name}.new"
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
        ) as file:
            file.write("".join(f"{line}\r\n" for line in envelope).encode("utf-8", errors="replace"))
            file.write(content)
        return fresh.rename(self._folder / name)


class Handler:
    """What aiosmtpd asks while a message comes in; the names are its own."""

    def __init__(self, folder: MailFolder) -> None:
        self._folder = folder

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Take every recipient but those that are there to be refused."""
        if address.lower().startswith("bounce"):
            return f"550 5.1.1 <{address}> is refused on purpose"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message before saying that it is taken."""
        content = envelope.content
        try:
            path = self._folder.keep(
                content if isinstance(content, bytes) else str(content).encode(),
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
            )
        except OSError as error:
            return f"451 4.3.0 The message can't be kept: {error.strerror}"
        return f"250 2.0.0 Kept as {path.name}"


def _moment(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _words_of_message_id(content: bytes) -> str:
    """The Message-ID, reduced to what is safe in a file name."""
    message = email.message_from_bytes(content.partition(b"\r\n\r\n")[0], policy=email.policy.compat32)
    words = re.sub(r"[^A-Za-z0-9@_+-]+", ".", str(message.get("Message-ID", ""))).strip(".")
    return words[:LONGEST_NAME] or "no-message-id"


async def serve(port: int, folder: Path) -> None:
    """Take messages until SIGTERM or SIGINT."""
    kept = MailFolder(folder, lambda: datetime.now(UTC))
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        # The host name is given because looking it up can take seconds.
        lambda: SMTP(
            Handler(kept),
            hostname="localhost",
            ident="Daftar mail sink",
            enable_SMTPUTF8=True,
            data_size_limit=SIZE_LIMIT_BYTES,
        ),
        host="127.0.0.1",
        port=port,
    )
    await stop.wait()
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Keep each mail as a file; deliver none.")
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1")
    parser.add_argument("--folder", type=Path, required=True, help="where to keep the messages")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.folder))


if __name__ == "__main__":
    main()
