"""What the door needs in tests: mailboxes to look into, and a look at everything that is logged."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.embedded.services import ServiceUrls
from infrastructure.logging import configure_logging
from infrastructure.settings import LogFormat, LogLevel
from tests.api.accounts.mailbox import Mailbox


@pytest.fixture
def mailbox(urls: ServiceUrls, tmp_path: Path) -> Mailbox:
    """What came by mail, and on phones."""
    assert urls.mail_folder is not None
    return Mailbox(urls.mail_folder, tmp_path / "sms")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, from the least important on."""
    stream = io.StringIO()
    configure_logging(LogLevel.DEBUG, LogFormat.JSON, stream=stream)
    yield stream
    configure_logging(LogLevel.INFO, LogFormat.JSON)
