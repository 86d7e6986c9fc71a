"""A Redis that is away is asked now and then by one for all, and talked about twice: when it went and when it came."""

from structlog.testing import capture_logs

from infrastructure.cache.absence import PAUSE_SECONDS, Absence


class Watch:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_while_it_is_there_everybody_asks() -> None:
    absence = Absence("away", "back", monotonic=Watch())
    assert [absence.may_ask() for _ in range(3)] == [True] * 3
    assert not absence.lasts


def test_after_a_failure_nobody_asks_for_a_while_and_then_one_for_all() -> None:
    watch = Watch()
    absence = Absence("away", "back", monotonic=watch)
    absence.begin(TimeoutError())
    asked_at_once = [absence.may_ask() for _ in range(3)]
    watch.now += PAUSE_SECONDS
    assert (asked_at_once, [absence.may_ask() for _ in range(3)]) == ([False] * 3, [True, False, False])


def test_when_it_answers_everybody_asks_again_at_once() -> None:
    watch = Watch()
    absence = Absence("away", "back", monotonic=watch)
    absence.begin(TimeoutError())
    watch.now += PAUSE_SECONDS
    absence.may_ask()
    absence.end()
    assert [absence.may_ask() for _ in range(3)] == [True] * 3


def test_going_away_and_coming_back_are_told_once_each() -> None:
    watch = Watch()
    absence = Absence("away", "back", monotonic=watch)
    with capture_logs() as lines:
        for _ in range(10):
            absence.begin(TimeoutError())
            watch.now += PAUSE_SECONDS
        absence.end()
        absence.end()
    assert [(line["event"], line["log_level"]) for line in lines] == [("away", "warning"), ("back", "info")]
    assert lines[1]["after_seconds"] == 10 * PAUSE_SECONDS
