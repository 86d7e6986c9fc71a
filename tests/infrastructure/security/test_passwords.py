"""Passwords are kept so that only their owners can use them."""

import asyncio
import threading
from collections.abc import Iterator
from time import thread_time

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infrastructure.security.bcrypt_processes import BcryptProcesses, BcryptUnavailable
from infrastructure.security.passwords import (
    PasswordHasher,
    PasswordHasherBusy,
    PasswordHashUnreadable,
    dummy_hash,
    keyed_digest,
    needs_rehash,
    rounds_of,
)
from infrastructure.security.secrets import Secret

PEPPER = Secret("pepper of the house, quite long enough")
ROUNDS = 4


class Keeper:
    """Hashes and checks passwords, one at a time."""

    def __init__(self, processes: BcryptProcesses) -> None:
        self._processes = processes

    def hashed(self, password: str, *, rounds: int = ROUNDS) -> str:
        return self._processes.hash(keyed_digest(password, PEPPER), rounds=rounds)

    def verified(self, password: str, stored: str, *, pepper: Secret = PEPPER) -> bool:
        return self._processes.check(keyed_digest(password, pepper), stored, rounds=rounds_of(stored))


@pytest.fixture(scope="module")
def keeper() -> Iterator[Keeper]:
    processes = BcryptProcesses()
    yield Keeper(processes)
    processes.close()


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    with PasswordHasher(pepper=PEPPER, rounds=ROUNDS, threads=2) as hasher:
        yield hasher


class TestHashing:
    @given(st.text(min_size=1, max_size=300))
    @settings(max_examples=25, deadline=None)
    def test_whatever_the_password_its_owner_gets_in(self, keeper: Keeper, password: str) -> None:
        assert keeper.verified(password, keeper.hashed(password))

    @given(st.text(max_size=100), st.text(max_size=100))
    @settings(max_examples=25, deadline=None)
    def test_another_password_does_not(self, keeper: Keeper, mine: str, other: str) -> None:
        stored = keeper.hashed("x" + mine)
        assert not keeper.verified("y" + other, stored)

    def test_passwords_that_differ_after_72_bytes_differ(self, keeper: Keeper) -> None:
        stored = keeper.hashed("a" * 72 + "one")
        assert not keeper.verified("a" * 72 + "two", stored)
        assert not keeper.verified("a" * 72, stored)

    def test_long_cyrillic_passwords_keep_their_full_strength(self, keeper: Keeper) -> None:
        stored = keeper.hashed("п" * 36 + "первый")
        assert not keeper.verified("п" * 36 + "второй", stored)
        assert keeper.verified("п" * 36 + "первый", stored)

    def test_a_password_with_a_nul_in_it_is_not_cut_there(self, keeper: Keeper) -> None:
        assert not keeper.verified("abc\0def", keeper.hashed("abc\0xyz"))

    def test_the_same_letters_typed_on_another_system_are_the_same_password(self, keeper: Keeper) -> None:
        assert keeper.verified("cafe\u0301 ﬁne", keeper.hashed("caf\u00e9 fine"))

    def test_two_accounts_with_one_password_have_different_hashes(self, keeper: Keeper) -> None:
        assert keeper.hashed("correct horse") != keeper.hashed("correct horse")

    def test_a_hash_is_useless_without_the_pepper(self, keeper: Keeper) -> None:
        stored = keeper.hashed("correct horse")
        assert not keeper.verified("correct horse", stored, pepper=Secret("another pepper"))
        assert not bcrypt.checkpw(b"correct horse", stored.encode())

    @pytest.mark.parametrize("stored", ["", "correct horse", "$2b$04$short", "$1$04$" + "a" * 53])
    async def test_a_damaged_hash_is_reported_and_not_shown(
        self, hasher: PasswordHasher, stored: str
    ) -> None:
        with pytest.raises(PasswordHashUnreadable) as caught:
            await hasher.verify("correct horse", stored)
        assert not stored or stored not in str(caught.value)


class TestCost:
    def test_a_hash_of_lower_cost_is_made_anew(self, keeper: Keeper) -> None:
        assert needs_rehash(keeper.hashed("x", rounds=4), rounds=5)

    def test_a_hash_of_the_same_or_higher_cost_stays(self, keeper: Keeper) -> None:
        stored = keeper.hashed("x", rounds=5)
        assert not needs_rehash(stored, rounds=5)
        assert not needs_rehash(stored, rounds=4)


class TestUnknownAccounts:
    async def test_an_unknown_account_never_gets_in(self, hasher: PasswordHasher) -> None:
        assert not await hasher.verify("correct horse", None)

    def test_checking_an_unknown_account_takes_as_long_as_a_known_one(self, keeper: Keeper) -> None:
        def least(stored: str) -> float:
            """Seconds of CPU, which a busy machine does not change much."""
            times = []
            for _ in range(3):
                begun = thread_time()
                bcrypt.checkpw(keyed_digest("correct horse", PEPPER), stored.encode())
                times.append(thread_time() - begun)
            return min(times)

        known = least(keeper.hashed("another", rounds=9))
        unknown = least(dummy_hash(rounds=9))
        assert unknown == pytest.approx(known, rel=0.5)

    def test_a_dummy_hash_has_the_cost_of_a_real_one(self, keeper: Keeper) -> None:
        assert dummy_hash(rounds=11).startswith("$2b$11$")
        assert len(dummy_hash(rounds=11)) == len(keeper.hashed("x"))


class TestWithoutBlocking:
    async def test_a_password_is_hashed_and_checked(self, hasher: PasswordHasher) -> None:
        stored = await hasher.hash("correct horse")
        assert await hasher.verify("correct horse", stored)
        assert not await hasher.verify("wrong horse", stored)
        assert not hasher.needs_rehash(stored)

    async def test_others_are_served_while_a_password_is_checked(self) -> None:
        with PasswordHasher(pepper=PEPPER, rounds=12, threads=1) as hasher:
            check = asyncio.create_task(hasher.verify("correct horse", None))
            served = 0
            while not check.done():
                await asyncio.sleep(0.001)
                served += 1
        assert served > 10

    async def test_a_flood_is_refused_instead_of_queued(self, monkeypatch: pytest.MonkeyPatch) -> None:
        proceed = threading.Event()
        monkeypatch.setattr(BcryptProcesses, "check", lambda *_, **__: proceed.wait(10))
        with PasswordHasher(pepper=PEPPER, rounds=ROUNDS, threads=1, waiting_maximum=3) as hasher:
            checks = [asyncio.create_task(hasher.verify("x", None)) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(PasswordHasherBusy):
                await hasher.verify("x", None)
            proceed.set()
            await asyncio.gather(*checks)
            assert await hasher.verify("x", None) is False

    async def test_when_nobody_computes_it_is_an_outage(
        self, hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def nobody(*_: object, **__: object) -> str:
            raise BcryptUnavailable("No process computes bcrypt.")

        with monkeypatch.context() as broken:
            broken.setattr(BcryptProcesses, "hash", nobody)
            for _ in range(5):  # more often than there are processes
                with pytest.raises(PasswordHasherBusy):
                    await hasher.hash("correct horse")
        assert await hasher.hash("correct horse")

    async def test_callers_who_go_away_leave_no_place_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        proceed = threading.Event()
        monkeypatch.setattr(BcryptProcesses, "check", lambda *_, **__: proceed.wait(10))
        with PasswordHasher(pepper=PEPPER, rounds=ROUNDS, threads=1, waiting_maximum=2) as hasher:
            checks = [asyncio.create_task(hasher.verify("x", None)) for _ in range(2)]
            await asyncio.sleep(0)
            for check in checks:
                check.cancel()
            await asyncio.gather(*checks, return_exceptions=True)
            proceed.set()
            async with asyncio.timeout(10):
                while True:
                    try:
                        await asyncio.gather(*(hasher.verify("x", None) for _ in range(2)))
                        break
                    except PasswordHasherBusy:
                        await asyncio.sleep(0.01)
