"""Memories that forget."""

from application.shared.bounded import forget_oldest


def test_a_memory_that_is_not_full_keeps_everything() -> None:
    memory = dict.fromkeys(range(100))
    forget_oldest(memory, 100)
    assert len(memory) == 100


def test_what_came_first_goes_first_and_makes_room_for_some_more() -> None:
    memory = dict.fromkeys(range(165))
    forget_oldest(memory, 160)
    assert list(memory) == list(range(15, 165))


def test_a_tiny_memory_still_keeps_the_newest() -> None:
    memory = dict.fromkeys(range(5))
    forget_oldest(memory, 1)
    assert list(memory) == [4]
