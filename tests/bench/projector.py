"""How fast read models are rebuilt from the log; peer: the same read model, one event in each transaction."""

import time

from infrastructure.bootstrap import PROJECTIONS, Machinery
from projections.shared import tracking
from projections.shared.projection import Projection
from projections.shared.rebuild import create_missing, rebuild
from tests.bench.report import Figure, Peer

MEASURED = ("customer_orders", "catalogue_search", "order_detail", "sales_daily")
PEER_EVENTS = 2_000


def measure(tools: Machinery) -> list[Figure]:
    """Rebuild from whatever is in the log."""
    figures = []
    history = tools.open_log(name="bench")
    try:
        with tools.connect(name="bench") as connection:
            create_missing(connection, PROJECTIONS)
            for projection in PROJECTIONS:
                if projection.name not in MEASURED:
                    continue
                done = rebuild(connection, projection, history)
                one_by_one = _one_by_one(tools, projection)
                figures.append(
                    Figure(
                        f"projector_{projection.name}",
                        done.rate,
                        "events/s",
                        Peer("one event a transaction", one_by_one),
                        note=f"{done.position:,} events",
                    )
                )
    finally:
        history.close()
    return figures


def _one_by_one(tools: Machinery, projection: Projection) -> float:
    history = tools.open_log(name="bench-peer")
    head = history.head()
    with tools.connect(name="bench-peer") as connection:
        generation = 9_999
        with connection.transaction():
            tracking.begin_generation(connection, projection, generation, live=False)
        names = tracking.physical_names(projection, generation, live=False)
        after = max(head - PEER_EVENTS, 0)
        began = time.perf_counter()
        for position in range(after, head):
            batch = history.read(position, 1, projection.events, personal=projection.personal)
            with connection.transaction():
                projection.apply(batch.events, connection, names)
                tracking.advance(connection, projection.name, generation, batch.upto)
        seconds = time.perf_counter() - began
        tracking.drop_generation(connection, projection, generation)
    history.close()
    return (head - after) / seconds
