"""Two API processes behind one port keep one truth."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from infrastructure.embedded.services import ServiceUrls
from tests.journeys.shop import open_shop, wish
from tests.support.http import Answer
from tests.support.running import environment_of, running

pytestmark = [pytest.mark.services, pytest.mark.slow]

STOCK = 100
BUYERS = 250


async def test_the_last_hundred_pieces_are_sold_once_each_whichever_process_is_asked(
    urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(urls.as_environment(), database_url)
    async with running(environment, tmp_path, workers=2) as daftar:
        async with open_shop(daftar) as shop:
            seller = await shop.seller()
            listing_id = await shop.put_on_sale(seller, stock=STOCK)
            buyers = await shop.customers(BUYERS)

            async def order() -> list[Answer]:
                """What everybody is answered, under the same key each time."""
                return await asyncio.gather(
                    *(
                        shop.post("/orders", wish((listing_id, 1)), buyer, key=f"{shop.run}-{number}")
                        for number, buyer in enumerate(buyers)
                    )
                )

            answers = await order()
            assert Counter((answer.status, answer.code) for answer in answers) == {
                (201, None): STOCK,
                (409, "INSUFFICIENT_STOCK"): BUYERS - STOCK,
            }
            placed = [answer.data if answer.status == 201 else None for answer in answers]
            assert len({order["orderNumber"] for order in placed if order}) == STOCK
            assert await shop.stock_of(listing_id, seller) == (
                STOCK,
                0,
            )  # all are held for orders, none is paid
            listed = await shop.all_of("/seller/orders", seller)
            assert {each["orderId"] for each in listed} == {each["orderId"] for each in placed if each}
            assert len(listed) == STOCK
        # With one process away the other answers everybody: whoever was answered by one, hears the same of the other.
        for away, back in (("api-1", None), ("api-2", "api-1")):
            if back is not None:
                await daftar.start(back)
            assert await daftar.stop(away) == 0
            await daftar.until_healthy()
            async with open_shop(daftar) as alone:
                again = await asyncio.gather(
                    *(
                        alone.post("/orders", wish((listing_id, 1)), buyer, key=f"{shop.run}-{number}")
                        for number, buyer in enumerate(buyers)
                    )
                )
                assert [answer.data if answer.status == 201 else None for answer in again] == placed
                assert {answer.code for answer in again} == {None, "INSUFFICIENT_STOCK"}
                assert all(
                    answer.headers["idempotent-replayed"] == "true"
                    for answer in again
                    if answer.status == 201
                )
