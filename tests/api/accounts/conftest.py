"""What the door needs in tests: a look at everything that is logged."""

import io
from collections.abc import Iterator

import pytest

from infrastructure.logging import configure_logging
from infrastructure.settings import LogFormat, LogLevel


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, from the least important on."""
    stream = io.StringIO()
    configure_logging(LogLevel.DEBUG, LogFormat.JSON, stream=stream)
    yield stream
    configure_logging(LogLevel.INFO, LogFormat.JSON)
