"""A slice of a real shop's year goes through the front door, and every total comes out right."""

from pathlib import Path

import pytest

from infrastructure.embedded.services import ServiceUrls
from tests.support.running import ADMIN_EMAIL, ADMIN_PASSWORD, environment_of, running
from tests.trials.online_retail import run
from tests.trials.retail_data import DATA, Line, read_shop

SALES = 1_050
"""So many sale invoices, and the cancellations among them."""

needs_data = pytest.mark.skipif(not DATA.exists(), reason="the data set does not stand beside this checkout")


@needs_data
class TestTheData:
    def test_every_row_is_traded_or_counted_as_left_out(self) -> None:
        shop = read_shop()
        traded = sum(len(invoice.lines) for invoice in shop.invoices)
        assert shop.rows == 541_909
        assert traded + shop.left.rows == shop.rows
        # The control totals of the set: sales 10655622.484, cancellations -896812.490, to the rounding of four prices.
        assert sum(invoice.amount for invoice in shop.sales) == pytest.approx(1_065_562_248, abs=300)
        assert sum(invoice.amount for invoice in shop.cancellations) == 89_681_249

    def test_an_invoice_is_read_as_it_stands(self) -> None:
        [first, *_] = read_shop(sales=1).invoices
        assert (first.number, first.customer, len(first.lines)) == ("536365", "17850", 7)
        assert first.lines[0] == Line("85123A", 6, 255)


@pytest.mark.services
@pytest.mark.slow
@needs_data
async def test_a_thousand_invoices_agree_to_the_minor_unit_before_and_after_a_rebuild(
    urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    async with running(environment_of(urls.as_environment(), database_url), tmp_path) as daftar:

        async def rebuild() -> None:
            code, output = await daftar.daftar("rebuild", "--all")
            assert code == 0, output

        outcome = await run(
            daftar.url,
            read_shop(sales=SALES),
            admin=(ADMIN_EMAIL, ADMIN_PASSWORD),
            in_flight=48,
            rebuild=rebuild,
        )
    assert outcome.problems == []
    assert outcome.sale_invoices == SALES
    assert outcome.orders >= SALES
    assert outcome.cancelled_orders + outcome.refunds > 20
    assert outcome.price_changes > 100
