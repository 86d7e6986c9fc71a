"""The memory of codes: one contract for Redis and for the one in memory, and what only Redis can get wrong."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from application.otp.ports import Checked, CodeVault, Outcome
from application.shared.command import Unavailable
from domain.otp.code import OneTimeCode
from domain.otp.events import OtpPurpose
from domain.otp.refusals import OtpRateLimited
from infrastructure.cache.absence import Absence
from infrastructure.cache.one_time_codes import RedisCodeVault, draw_code
from infrastructure.cache.redis import connect
from infrastructure.embedded.services import ServiceUrls
from infrastructure.identity import utc_now
from infrastructure.security.secrets import Secret
from tests.support.commands import NOON
from tests.support.standins.codes import InMemoryCodeVault

KEY = b"k" * 32
RIGHT = OneTimeCode("481516")
WRONG = OneTimeCode("481517")
LIFETIME = timedelta(minutes=5)
WINDOW = timedelta(minutes=15)


def somebody() -> str:
    """The hash of a destination that no other test uses."""
    return hashlib.sha256(uuid4().bytes).hexdigest()


def vault_on(redis: Redis | None, **changes: Any) -> RedisCodeVault:
    terms: dict[str, Any] = {
        "key": KEY,
        "attempts_maximum": 3,
        "requests_maximum": 5,
        "requests_per_address_maximum": 20,
        "request_window": WINDOW,
    }
    return RedisCodeVault(redis, **(terms | changes))


@pytest.fixture
async def redis(urls: ServiceUrls) -> AsyncIterator[Redis]:
    assert urls.redis_url is not None
    client = connect(Secret(urls.redis_url))
    yield client
    await client.aclose()


Make = Callable[..., CodeVault]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.services)])
def make(request: pytest.FixtureRequest) -> Make:
    """Vaults over one memory with other limits than usual."""
    if request.param == "memory":
        return lambda **changes: InMemoryCodeVault(utc_now, **changes)
    client = request.getfixturevalue("redis")
    return lambda **changes: vault_on(client, **changes)


async def keep(vault: CodeVault, whose: str, code: OneTimeCode | None = RIGHT, **changes: Any) -> None:
    details: dict[str, Any] = {
        "purpose": OtpPurpose.LOGIN,
        "address": None,
        "requested_at": NOON,
        "lifetime": LIFETIME,
    }
    await vault.keep(destination_hash=whose, code=code, **(details | changes))


async def check(
    vault: CodeVault, whose: str, code: OneTimeCode = RIGHT, purpose: OtpPurpose = OtpPurpose.LOGIN
) -> Checked:
    return await vault.check(purpose=purpose, destination_hash=whose, code=code)


class TestEveryVault:
    async def test_the_right_code_is_right_once(self, make: Make) -> None:
        vault, whose = make(), somebody()
        await keep(vault, whose)
        first, second = await check(vault, whose), await check(vault, whose)
        assert first == Checked(outcome=Outcome.RIGHT, attempts=0, requested_at=NOON)
        assert second == Checked(outcome=Outcome.ABSENT)

    async def test_three_may_be_wrong_and_the_next_is_the_end(self, make: Make) -> None:
        vault, whose = make(), somebody()
        await keep(vault, whose)
        told = [await check(vault, whose, WRONG) for _ in range(3)]
        assert [(each.outcome, each.attempts) for each in told] == [(Outcome.WRONG, n) for n in (1, 2, 3)]
        assert (await check(vault, whose)).outcome is Outcome.LOCKED
        assert (await check(vault, whose)).outcome is Outcome.ABSENT

    async def test_after_two_wrong_ones_the_right_one_is_still_right(self, make: Make) -> None:
        vault, whose = make(), somebody()
        await keep(vault, whose)
        for _ in range(2):
            await check(vault, whose, WRONG)
        assert await check(vault, whose) == Checked(outcome=Outcome.RIGHT, attempts=2, requested_at=NOON)

    async def test_a_code_is_bound_to_its_purpose_and_its_destination(self, make: Make) -> None:
        vault, whose = make(), somebody()
        await keep(vault, whose)
        assert (await check(vault, whose, purpose=OtpPurpose.RESET)).outcome is Outcome.ABSENT
        assert (await check(vault, somebody())).outcome is Outcome.ABSENT
        await keep(vault, whose, WRONG, purpose=OtpPurpose.RESET)
        assert (await check(vault, whose, purpose=OtpPurpose.RESET)).outcome is Outcome.WRONG
        assert (await check(vault, whose)).outcome is Outcome.RIGHT

    async def test_the_next_code_takes_the_place_of_the_one_before_and_has_all_its_attempts(
        self, make: Make
    ) -> None:
        vault, whose = make(), somebody()
        await keep(vault, whose)
        for _ in range(3):
            await check(vault, whose, WRONG)
        await keep(vault, whose, WRONG)
        assert (await check(vault, whose, RIGHT)).attempts == 1
        assert (await check(vault, whose, WRONG)).outcome is Outcome.RIGHT

    async def test_what_pretends_to_be_a_code_is_guessed_at_and_never_right(self, make: Make) -> None:
        vault, whose = make(), somebody()
        await keep(vault, whose, None)
        told = [(await check(vault, whose, draw_code())).outcome for _ in range(5)]
        assert told == [Outcome.WRONG] * 3 + [Outcome.LOCKED, Outcome.ABSENT]

    async def test_a_destination_gets_five_codes_in_a_window_whatever_for(self, make: Make) -> None:
        vault, whose = make(), somebody()
        for purpose in [*OtpPurpose, OtpPurpose.LOGIN, OtpPurpose.RESET]:
            await keep(vault, whose, purpose=purpose)
        with pytest.raises(OtpRateLimited) as refused:
            await keep(vault, whose, WRONG)
        assert 895 <= refused.value.retry_after_seconds <= 900
        assert (await check(vault, whose)).outcome is Outcome.RIGHT, "the refused one changed nothing"
        await keep(vault, somebody())

    async def test_an_address_asks_for_so_many_codes_whomever_for(self, make: Make) -> None:
        vault, address = make(requests_per_address_maximum=3), f"host-{uuid4()}"
        for _ in range(3):
            await keep(vault, somebody(), address=address)
        whose = somebody()
        with pytest.raises(OtpRateLimited):
            await keep(vault, whose, address=address)
        assert (await check(vault, whose)).outcome is Outcome.ABSENT
        await keep(vault, whose, address=f"host-{uuid4()}")

    async def test_a_code_and_a_window_end_by_themselves(self, make: Make) -> None:
        vault, whose = make(requests_maximum=1, request_window=timedelta(milliseconds=150)), somebody()
        await keep(vault, whose, lifetime=timedelta(milliseconds=100))
        with pytest.raises(OtpRateLimited) as refused:
            await keep(vault, whose)
        assert refused.value.retry_after_seconds == 1
        await asyncio.sleep(0.2)
        assert (await check(vault, whose)).outcome is Outcome.ABSENT
        await keep(vault, whose)


@pytest.mark.services
class TestManyAtOnce:
    async def test_fifty_connections_that_guess_one_code_get_three_checks(
        self, urls: ServiceUrls, redis: Redis
    ) -> None:
        assert urls.redis_url is not None
        clients = [connect(Secret(urls.redis_url)) for _ in range(50)]
        try:
            vaults = [vault_on(client, patience_seconds=10) for client in clients]
            # All connected, so that they truly race.
            await asyncio.gather(*(check(vault, somebody()) for vault in vaults))
            whose = somebody()
            await keep(vault_on(redis), whose)
            guesses = [OneTimeCode(str(100_000 + number)) for number in range(50)]
            told = await asyncio.gather(
                *(check(vault, whose, guess) for vault, guess in zip(vaults, guesses, strict=True))
            )
        finally:
            await asyncio.gather(*(client.aclose() for client in clients))
        outcomes = [each.outcome for each in told]
        assert sorted(each.attempts for each in told if each.outcome is Outcome.WRONG) == [1, 2, 3]
        assert outcomes.count(Outcome.LOCKED) == 1
        assert outcomes.count(Outcome.ABSENT) == 46

    async def test_fifty_that_show_the_right_code_get_in_once(self, redis: Redis) -> None:
        vault, whose = vault_on(redis, patience_seconds=10), somebody()
        await keep(vault, whose)
        told = await asyncio.gather(*(check(vault, whose) for _ in range(50)))
        outcomes = [each.outcome for each in told]
        assert (outcomes.count(Outcome.RIGHT), outcomes.count(Outcome.ABSENT)) == (1, 49)

    async def test_fifty_that_ask_get_five_codes(self, redis: Redis) -> None:
        vault, whose = vault_on(redis, patience_seconds=10), somebody()
        told = await asyncio.gather(*(keep(vault, whose) for _ in range(50)), return_exceptions=True)
        assert [type(each) for each in told if each is not None] == [OtpRateLimited] * 45


@pytest.mark.services
class TestWhatLiesInRedis:
    async def test_a_wrong_guess_does_not_lengthen_the_life_of_the_code(self, redis: Redis) -> None:
        vault, whose = vault_on(redis), somebody()
        await keep(vault, whose)
        key = f"otp:login:{{{whose}}}"
        await redis.pexpire(key, 40_000)
        await check(vault, whose, WRONG)
        assert 30_000 < await redis.pttl(key) <= 40_000

    async def test_asking_again_does_not_lengthen_the_window(self, redis: Redis) -> None:
        vault, whose = vault_on(redis), somebody()
        await keep(vault, whose)
        key = f"otp_attempts:{{{whose}}}"
        await redis.pexpire(key, 40_000)
        await keep(vault, whose)
        assert await redis.get(key) == b"2"
        assert 30_000 < await redis.pttl(key) <= 40_000

    async def test_everything_has_an_end_and_tells_nothing(self, redis: Redis) -> None:
        vault, whose, address = vault_on(redis), somebody(), "203.0.113.77"
        before = {key async for key in redis.scan_iter("otp*")}
        await keep(vault, whose, address=address)
        await check(vault, whose, WRONG)
        fresh = {key async for key in redis.scan_iter("otp*")} - before
        assert len(fresh) == 3
        for key in fresh:
            assert 0 < await redis.pttl(key) <= 900_000
            held = await redis.hgetall(key) if await redis.type(key) == b"hash" else await redis.get(key)
            assert b"481516" not in key + repr(held).encode()
            assert address.encode() not in key
        kept = await redis.hgetall(f"otp:login:{{{whose}}}")
        assert kept[b"attempts"] == b"1"
        assert set(kept) == {b"digest", b"attempts", b"requested_at"}

    async def test_one_digest_fits_one_purpose_one_destination_and_one_installation(
        self, redis: Redis
    ) -> None:
        vault, whose = vault_on(redis), somebody()
        await keep(vault, whose)
        kept: dict[Any, Any] = await redis.hgetall(f"otp:login:{{{whose}}}")
        # Somebody who can write to Redis moves a code of theirs to another place.
        other = somebody()
        for key in (f"otp:reset:{{{whose}}}", f"otp:login:{{{other}}}"):
            await redis.hset(key, mapping=kept)
            await redis.expire(key, 60)
        assert (await check(vault, whose, purpose=OtpPurpose.RESET)).outcome is Outcome.WRONG
        assert (await check(vault, other)).outcome is Outcome.WRONG
        assert (await check(vault_on(redis, key=b"x" * 32), whose)).outcome is Outcome.WRONG

    async def test_a_code_or_a_counter_that_lost_its_end_is_over(self, redis: Redis) -> None:
        vault, whose = vault_on(redis, requests_maximum=1), somebody()
        await keep(vault, whose)
        await redis.persist(f"otp:login:{{{whose}}}")
        await redis.persist(f"otp_attempts:{{{whose}}}")
        assert (await check(vault, whose)).outcome is Outcome.ABSENT
        assert not await redis.exists(f"otp:login:{{{whose}}}")
        await keep(vault, whose)
        assert await redis.pttl(f"otp_attempts:{{{whose}}}") > 0

    async def test_the_neighbours_in_a_network_of_ipv6_are_one_address(self, redis: Redis) -> None:
        vault = vault_on(redis, requests_per_address_maximum=1, key=uuid4().bytes * 2)
        await keep(vault, somebody(), address="2001:db8:1:2::1")
        with pytest.raises(OtpRateLimited):
            await keep(vault, somebody(), address="2001:db8:1:2:ffff::9")
        await keep(vault, somebody(), address="2001:db8:1:3::1")
        await keep(vault, somebody(), address="::ffff:192.0.2.9")
        with pytest.raises(OtpRateLimited):
            await keep(vault, somebody(), address="192.0.2.9")

    async def test_a_restarted_redis_that_knows_no_script_is_told_again(self, redis: Redis) -> None:
        vault, whose = vault_on(redis), somebody()
        await keep(vault, whose)
        await redis.script_flush()
        assert (await check(vault, whose)).outcome is Outcome.RIGHT


class TestWithoutRedis:
    async def test_there_are_no_codes_where_none_is_configured(self) -> None:
        vault = vault_on(None)
        with pytest.raises(Unavailable):
            await keep(vault, somebody())
        with pytest.raises(Unavailable):
            await check(vault, somebody())

    async def test_one_that_is_away_is_unavailable_at_once_and_then_comes_back(
        self, unused_tcp_port: int
    ) -> None:
        now = 100.0
        client = connect(Secret(f"redis://127.0.0.1:{unused_tcp_port}/0"))
        absence = Absence("codes_away", "codes_back", monotonic=lambda: now)
        vault = vault_on(client, absence=absence)
        try:
            with capture_logs() as logged:
                for _ in range(3):
                    with pytest.raises(Unavailable) as refused:
                        await keep(vault, somebody(), address="192.0.2.1")
                with pytest.raises(Unavailable):
                    await check(vault, somebody())
        finally:
            await client.aclose()
        assert [each["event"] for each in logged] == ["codes_away"]
        assert refused.value.retry_after_seconds == 1
        assert "481516" not in f"{logged} {refused.value!r} {refused.value.__cause__!r}"

    async def test_one_that_hangs_is_not_waited_for(self) -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.read()
            finally:
                writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        client = connect(Secret(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"))
        try:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(Unavailable):
                await check(vault_on(client, patience_seconds=0.1), somebody())
            assert asyncio.get_running_loop().time() - begun < 1
        finally:
            await client.aclose()
            server.close()
            await server.wait_closed()

    def test_a_short_key_is_refused(self) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            vault_on(None, key=b"short")


class TestDrawing:
    def test_codes_are_those_of_six_digits_that_begin_with_none_of_zero(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for drawn, digits in ((0, "100000"), (899_999, "999999")):
            asked: list[int] = []

            def below(bound: int, drawn: int = drawn, asked: list[int] = asked) -> int:
                asked.append(bound)
                return drawn

            monkeypatch.setattr("infrastructure.cache.one_time_codes.secrets.randbelow", below)
            assert draw_code().reveal() == digits
            assert asked == [900_000]

    def test_two_are_hardly_ever_the_same(self) -> None:
        assert len({draw_code().reveal() for _ in range(1000)}) > 980
