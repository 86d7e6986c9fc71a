"""However history is cut into batches, the screens of trade show the same, and the sums agree with the facts."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from domain.payouts.events import EarningAccrued, EarningReversed
from domain.shared.events import Recorded
from projections.analytics.sales_daily import SalesDailyProjection
from projections.analytics.seller_daily import SellerDailyProjection
from projections.carts.cart_view import CartViewProjection
from projections.orders.customer_orders import CustomerOrdersProjection
from projections.orders.order_detail import OrderDetailProjection
from projections.orders.seller_orders import SellerOrdersProjection
from projections.payments.payment_ledger import PaymentLedgerProjection
from projections.payouts.seller_earnings import SellerEarningsProjection
from projections.shared.projection import Projection
from tests.projections.orders.makers import many_lives, rows_after

pytestmark = pytest.mark.services

PROJECTIONS: list[Projection] = [
    CartViewProjection(),
    OrderDetailProjection(),
    CustomerOrdersProjection(),
    SellerOrdersProjection(),
    PaymentLedgerProjection(),
    SellerEarningsProjection(),
    SalesDailyProjection(),
    SellerDailyProjection(),
]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The projector's connection."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("SET synchronous_commit = off")
        yield opened


def cut(events: Sequence[Recorded], size: int) -> list[Sequence[Recorded]]:
    """Batches of so many facts."""
    return [events[start : start + size] for start in range(0, len(events), size)]


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_a_rebuild_shows_the_same_as_following_one_fact_at_a_time(
    connection: psycopg.Connection[Any], projection: Projection
) -> None:
    events = many_lives(seed=7, orders=130).events
    followed = rows_after(connection, projection, cut(events, 1))
    assert all(followed.values())
    assert rows_after(connection, projection, [events]) == followed
    assert rows_after(connection, projection, cut(events, 300)) == followed


def test_the_figures_add_up(connection: psycopg.Connection[Any]) -> None:
    events = many_lives(seed=11, orders=60).events
    rows_after(connection, SalesDailyProjection(), [events])
    rows_after(connection, SellerDailyProjection(), [events])
    rows_after(connection, SellerEarningsProjection(), [events])

    def sums(query: str) -> tuple[Any, ...] | None:
        return connection.execute(query.encode()).fetchone()

    market = sums(
        "SELECT sum(subtotal_minor), sum(units), sum(commission_minor), sum(seller_net_minor) FROM sales_daily__g2"
    )
    sellers = sums(
        "SELECT sum(gross_minor), sum(units), sum(commission_minor), sum(net_minor) FROM seller_daily__g3"
    )
    assert market == sellers
    entries = sums(
        """
        SELECT sum(commission_minor - reversed_commission_minor), sum(net_minor - reversed_net_minor)
        FROM seller_earning_entries__g4
        """
    )
    totals = sums(
        """
        SELECT sum(commission_minor - reversed_commission_minor), sum(net_minor - reversed_net_minor)
        FROM seller_earnings__g4
        """
    )
    assert market is not None
    assert entries == totals == market[2:]
    ledger = [recorded.event for recorded in events]
    assert totals == (
        sum(event.commission.minor for event in ledger if isinstance(event, EarningAccrued))
        - sum(event.commission.minor for event in ledger if isinstance(event, EarningReversed)),
        sum(event.net.minor for event in ledger if isinstance(event, EarningAccrued))
        - sum(event.net.minor for event in ledger if isinstance(event, EarningReversed)),
    )
    assert sums(
        """
        SELECT count(*) FROM sales_daily__g2
        WHERE gross_minor <> subtotal_minor + tax_minor + shipping_minor - discount_minor
        """
    ) == (0,)
