"""Who is killed when: the same seed gives the same plan."""

import random
from collections.abc import Sequence
from typing import Final

import msgspec

VICTIMS: Final = ("api", "postgres", "nats", "background")
"""Who can be killed: API workers (one or all), the database, the broker, the process of all roles behind the API."""

POSTGRES: Final = ("postmaster", "everything", "backend")
"""How a database dies: its first process alone, all its processes at once, or one of them, which makes it recover."""

EARLIEST_SECONDS: Final = 0.2
LATEST_SECONDS: Final = 1.6


class Blow(msgspec.Struct, frozen=True, kw_only=True):
    """One kill. `after` is how many seconds into the round's trade it falls; `draw` chooses where there is a choice."""

    round: int
    seed: int
    victim: str
    how: str
    after: float
    draw: float

    @property
    def names(self) -> tuple[str, ...]:
        """The victim as the supervisor knows it (`api-2`); all of them where it is several."""
        return tuple(self.how.split("+")) if self.victim == "api" else (self.victim,)

    @property
    def told(self) -> str:
        """For people."""
        return f"{self.victim} ({self.how})" if self.victim == "postgres" else self.how


def plan(*, seed: int, rounds: int, victims: Sequence[str] = VICTIMS, workers: int = 1) -> list[Blow]:
    """The blows of so many rounds. In each `len(victims)` rounds everybody has their turn, in an order of their own.

    The first rounds of a longer plan are those of a shorter one.
    """
    chance = random.Random(f"{seed}")
    each_worker = [f"api-{number}" for number in range(1, workers + 1)]
    ways = {
        "api": [*each_worker, *(["+".join(each_worker)] if workers > 1 else [])],
        "postgres": list(POSTGRES),
        "nats": ["nats"],
        "background": ["background"],
    }
    for each in ways.values():
        chance.shuffle(each)
    blows: list[Blow] = []
    while len(blows) < rounds:
        for victim in chance.sample(victims, len(victims)):
            how = ways[victim].pop(0)
            ways[victim].append(how)
            blows.append(
                Blow(
                    round=len(blows) + 1,
                    seed=seed,
                    victim=victim,
                    how=how,
                    after=round(chance.uniform(EARLIEST_SECONDS, LATEST_SECONDS), 3),
                    draw=chance.random(),
                )
            )
    return blows[:rounds]
