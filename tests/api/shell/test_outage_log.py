"""An outage is told of now and then, not once for each request that it ends."""

from api.errors import OUTAGE_LOG_SECONDS, Outages


class Watch:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_is_told_of_and_those_soon_after_are_counted() -> None:
    watch = Watch()
    outages = Outages(watch)
    told = [outages.untold("STORE_UNAVAILABLE", ConnectionError()) for _ in range(1000)]
    watch.now += OUTAGE_LOG_SECONDS
    told.append(outages.untold("STORE_UNAVAILABLE", ConnectionError()))
    assert [each for each in told if each is not None] == [0, 999]


def test_each_kind_of_outage_is_told_of() -> None:
    outages = Outages(Watch())
    assert outages.untold("STORE_UNAVAILABLE", ConnectionError()) == 0
    assert outages.untold("STORE_UNAVAILABLE", TimeoutError()) == 0
    assert outages.untold("UPSTREAM_UNAVAILABLE", TimeoutError()) == 0
