"""Who does not answer is left alone, and tried again by one."""

import asyncio

import pytest
from structlog.testing import capture_logs

from infrastructure.outbound.breaker import CircuitBreaker, CircuitOpen
from tests.infrastructure.outbound.clock import Watch


class Broken(Exception):
    """The other side does not work."""


class Refused(Exception):
    """The other side works, and says no."""


def breaker(watch: Watch) -> CircuitBreaker:
    return CircuitBreaker("test", Broken, monotonic=watch)


def call(circuit: CircuitBreaker, error: BaseException | None = None) -> None:
    with circuit.guard():
        if error is not None:
            raise error


def fail(circuit: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Broken):
            call(circuit, Broken())


class TestTheCircuit:
    def test_four_failures_in_a_row_are_bad_luck_and_five_are_an_outage(self) -> None:
        circuit = breaker(Watch())
        fail(circuit, 4)
        assert not circuit.is_open
        fail(circuit, 1)
        with pytest.raises(CircuitOpen) as left_alone:
            call(circuit)
        assert left_alone.value.retry_after_seconds == 30

    def test_an_answer_in_between_begins_the_count_anew(self) -> None:
        circuit = breaker(Watch())
        fail(circuit, 4)
        call(circuit)
        fail(circuit, 4)
        with pytest.raises(Refused):
            call(circuit, Refused())
        fail(circuit, 4)
        assert not circuit.is_open

    def test_after_a_pause_one_tries_while_the_others_wait(self) -> None:
        watch = Watch()
        circuit = breaker(watch)
        fail(circuit, 5)
        watch.now += 30
        with circuit.guard(), pytest.raises(CircuitOpen):
            call(circuit)
        assert not circuit.is_open
        call(circuit)

    def test_a_vain_try_is_followed_by_another_pause(self) -> None:
        watch = Watch()
        circuit = breaker(watch)
        fail(circuit, 5)
        watch.now += 30
        fail(circuit, 1)
        watch.now += 29
        with pytest.raises(CircuitOpen) as left_alone:
            call(circuit)
        assert left_alone.value.retry_after_seconds == 1
        watch.now += 1
        call(circuit)

    def test_whoever_gave_up_the_try_leaves_it_to_the_next(self) -> None:
        watch = Watch()
        circuit = breaker(watch)
        fail(circuit, 5)
        watch.now += 30
        with pytest.raises(asyncio.CancelledError):
            call(circuit, asyncio.CancelledError())
        assert circuit.is_open
        call(circuit)
        assert not circuit.is_open

    def test_it_is_told_once_when_it_opens_and_once_when_it_closes(self) -> None:
        watch = Watch()
        circuit = breaker(watch)
        with capture_logs() as logged:
            fail(circuit, 5)
            watch.now += 30
            fail(circuit, 1)
            watch.now += 30
            call(circuit)
        assert [each["event"] for each in logged] == ["circuit_opened", "circuit_closed"]
