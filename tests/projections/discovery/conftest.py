"""A shop of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.projections.listings.shop import Shop, open_shop


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    """Screens without facts."""
    async with open_shop(database_url) as opened:
        yield opened
