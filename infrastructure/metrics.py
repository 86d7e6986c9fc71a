"""What this process counts, as Prometheus reads it (requirements HLT-03, HLT-04).

Every API process answers for itself: a scraper that asks through a load balancer sees one of them, so each is
scraped by its own address. Labels are bounded: routes are templates, never paths.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from application.shared.loop import CommandLoop

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
"""To which the charset is added where it is sent."""

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Lag = Mapping[str, float]
"""By the name of a read model: how many positions of the log it is behind."""


class _Series:
    """Requests of one method, route and status: how many fell into each bucket, and how long they took together."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class HttpMetrics(Collector):
    """Requests by method, route and status. `observe` is on the path of every request, so it does next to nothing."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._series: dict[tuple[str, str, int], _Series] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is a template such as `/orders/{order_id}`."""
        key = (method if method in _METHODS else "other", route, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        series.buckets[bisect_left(BUCKETS, seconds)] += 1
        series.seconds += seconds

    def collect(self) -> Iterable[Metric]:
        """Called by the registry at each scrape."""
        requests = CounterMetricFamily(
            "http_requests", "Answered requests.", labels=("method", "route", "status")
        )
        latency = HistogramMetricFamily(
            "http_request_duration_seconds", "Time to answer a request.", labels=("method", "route")
        )
        by_route: dict[tuple[str, str], _Series] = {}
        for (method, route, status), series in self._series.items():
            requests.add_metric((method, route, str(status)), sum(series.buckets))
            whole = by_route.setdefault((method, route), _Series())
            whole.buckets = [a + b for a, b in zip(whole.buckets, series.buckets, strict=True)]
            whole.seconds += series.seconds
        for labels, whole in by_route.items():
            latency.add_metric(labels, buckets=list(_cumulative(whole.buckets)), sum_value=whole.seconds)
        return [requests, latency]


def _cumulative(buckets: list[int]) -> Iterator[tuple[str, float]]:
    count = 0
    for bound, each in zip((*BUCKETS, float("inf")), buckets, strict=True):
        count += each
        yield ("+Inf" if bound == float("inf") else str(bound), float(count))


class _LoopCollector(Collector):
    """What the command loop says of itself."""

    def __init__(self, loop: CommandLoop) -> None:
        self._loop = loop

    def collect(self) -> Iterable[Metric]:
        statistics = self._loop.statistics
        counters: Mapping[str, tuple[str, int]] = {
            "daftar_commands": ("Commands that were decided and committed.", statistics.commands),
            "daftar_command_refusals": ("Commands that the business refused.", statistics.refusals),
            "daftar_events": ("Events that were appended to the log.", statistics.events),
            "daftar_command_batches": ("Batches, each one commit.", statistics.batches),
            "daftar_command_conflicts": ("Decisions that lost a race.", statistics.conflicts),
            "daftar_state_loads": ("Queries for states that were not in memory.", statistics.loads),
            "daftar_handler_reruns": (
                "Runs of handlers that were abandoned to load a state.",
                statistics.reruns,
            ),
        }
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(name, text, value=value)
        yield GaugeMetricFamily(
            "daftar_command_batch_largest", "The most commands in one batch.", value=statistics.largest_batch
        )
        yield GaugeMetricFamily(
            "daftar_command_queue", "Commands that wait to be decided.", value=self._loop.waiting
        )
        yield GaugeMetricFamily(
            "daftar_command_queue_capacity", "Commands that may wait.", value=self._loop.capacity
        )


class Metrics:
    """All metrics of one process."""

    def __init__(self, *, loop: CommandLoop | None = None, uptime: Callable[[], float] | None = None) -> None:
        """`uptime` gives the seconds since the start."""
        self.http = HttpMetrics()
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(self.http)
        if loop is not None:
            self._registry.register(_LoopCollector(loop))
        self._uptime = uptime

    def register(self, collector: Collector) -> None:
        """Add what another part of the process counts."""
        self._registry.register(collector)

    def render(self, *, lag: Lag | None = None) -> bytes:
        """The metrics in Prometheus' text format 0.0.4; `lag` is that of the read models, where it is known."""
        own = CollectorRegistry(auto_describe=False)
        own.register(_Once(self._of_now(lag or {})))
        return generate_latest(self._registry) + generate_latest(own)

    def _of_now(self, lag: Lag) -> list[Metric]:
        metrics: list[Metric] = []
        if self._uptime is not None:
            metrics.append(
                GaugeMetricFamily("daftar_uptime_seconds", "Time since the start.", value=self._uptime())
            )
        if lag:
            behind = GaugeMetricFamily(
                "daftar_projection_lag",
                "Positions that a read model is behind the log.",
                labels=("projection",),
            )
            for name, value in lag.items():
                behind.add_metric((name,), value)
            metrics.append(behind)
        return metrics


class _Once(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
