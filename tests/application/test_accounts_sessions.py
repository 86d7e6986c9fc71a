"""Sessions: prolonged by each token once, ended one by one or all at once, never too many."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from application.accounts.commands import (
    ChangeAccountRole,
    DeleteAccount,
    LogOut,
    LogOutEverywhere,
    RevokeSession,
    SuspendAccount,
    UnsuspendAccount,
)
from application.accounts.sessions import AccountMayNotGoOn
from application.shared.caller import ActorKind, Caller
from application.shared.command import Command, Done
from domain.accounts.account import SESSIONS_MAXIMUM
from domain.accounts.events import (
    AccountLoggedIn,
    RefreshTokenReuseDetected,
    RefreshTokenRotated,
    SessionEnding,
    SessionOpened,
    SessionRevoked,
)
from domain.accounts.roles import Role
from domain.accounts.session import (
    RefreshTokenExpired,
    RefreshTokenInvalid,
    SessionIsRevoked,
    SessionNotFound,
    access_token_id,
    refresh_token_hash,
    refresh_token_id,
)
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import (
    GRACE_SECONDS,
    LIFETIME,
    STRANGER,
    House,
    another_process,
    make_hasher,
    open_house,
)
from tests.support.commands import NOON


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(hasher: PasswordHasher) -> AsyncIterator[House]:
    async with open_house(hasher) as opened:
        yield opened


class TestRotation:
    async def test_a_refresh_token_gives_the_next_pair_and_prolongs_the_session(self, house: House) -> None:
        owner = await house.owner()
        assert owner.session_id is not None
        house.clock.forward(days=3)
        done = await house.refresh(owner, 1)
        assert done.result.number == 2
        assert done.result.refresh_token_id == refresh_token_id(owner.session_id, 2)
        assert done.result.access_token_id == access_token_id(owner.session_id, 2)
        assert done.result.expires_at == NOON + timedelta(days=3) + LIFETIME
        assert done.result.role is Role.CUSTOMER
        assert done.version == 2
        assert house.store.events()[-1] == RefreshTokenRotated(
            old_jti_hash=refresh_token_hash(refresh_token_id(owner.session_id, 1)),
            new_jti_hash=refresh_token_hash(refresh_token_id(owner.session_id, 2)),
            expires_at=done.result.expires_at,
            rotated_at=house.clock(),
        )

    async def test_of_twenty_at_once_all_get_one_new_pair(self, house: House) -> None:
        owner = await house.owner()
        answers = await asyncio.gather(*(house.refresh(owner, 1) for _ in range(20)))
        assert len({(each.result.refresh_token_id, each.result.access_token_id) for each in answers}) == 1
        assert len(house.store.events(RefreshTokenRotated)) == 1
        assert not house.store.events(SessionRevoked)

    async def test_of_twenty_at_two_processes_all_get_one_new_pair(
        self, house: House, hasher: PasswordHasher
    ) -> None:
        owner = await house.owner()
        async with another_process(house, hasher) as there:
            asked = [(house, there)[number % 2].refresh(owner, 1) for number in range(20)]
            answers = await asyncio.gather(*asked)
        assert {each.result.number for each in answers} == {2}
        assert len(house.store.events(RefreshTokenRotated)) == 1

    async def test_a_retry_within_the_grace_records_nothing(self, house: House) -> None:
        owner = await house.owner()
        first = await house.refresh(owner, 1)
        house.clock.forward(seconds=GRACE_SECONDS - 1)
        again = await house.refresh(owner, 1)
        assert again.result == first.result
        assert again.position == 0

    async def test_a_stolen_token_ends_the_session_for_thief_and_owner(self, house: House) -> None:
        owner = await house.owner()
        await house.refresh(owner, 1)
        house.clock.forward(seconds=GRACE_SECONDS)
        before = len(house.store.log)
        with pytest.raises(SessionIsRevoked) as refusal:
            await house.refresh(owner, 1)
        assert refusal.value.code == "TOKEN_REVOKED"
        assert [new.event for new in house.store.log[before:]] == [
            RefreshTokenReuseDetected(
                jti_hash=refresh_token_hash(refresh_token_id(owner.session_id or new_id(), 1))
            ),
            SessionRevoked(account_id=owner.actor_id or new_id(), reason=SessionEnding.REUSE),
        ]
        for number in (1, 2, 3):
            with pytest.raises(SessionIsRevoked):
                await house.refresh(owner, number)
        assert house.store.log[before + 2 :] == []

    async def test_other_sessions_of_the_owner_go_on(self, house: House) -> None:
        owner = await house.owner()
        other = (await house.log_in()).result
        await house.refresh(owner, 1)
        house.clock.forward(minutes=1)
        with pytest.raises(SessionIsRevoked):
            await house.refresh(owner, 1)
        assert (await house.refresh(other, 1)).result.number == 2

    async def test_a_session_that_nobody_prolonged_is_over(self, house: House) -> None:
        owner = await house.owner()
        house.clock.forward(days=7)
        with pytest.raises(RefreshTokenExpired):
            await house.refresh(owner, 1)

    async def test_a_token_opens_no_session_of_another_account(self, house: House) -> None:
        owner, other = await house.owner(), await house.owner("zebo@example.uz")
        mixed = Caller(actor_id=other.actor_id, session_id=owner.session_id)
        with pytest.raises(RefreshTokenInvalid):
            await house.refresh(mixed, 1)
        with pytest.raises(RefreshTokenInvalid):
            await house.refresh(Caller(actor_id=owner.actor_id, session_id=new_id()), 1)
        assert (await house.refresh(owner, 1)).result.number == 2

    async def test_the_role_of_the_answer_is_that_of_now(self, house: House) -> None:
        chief, owner = await house.chief(), await house.owner()
        assert owner.actor_id is not None
        await house.ask(ChangeAccountRole(account_id=owner.actor_id, role=Role.ADMIN), chief)
        signed_in = (await house.log_in()).result
        await house.ask(ChangeAccountRole(account_id=owner.actor_id, role=Role.SELLER), chief)
        with pytest.raises(SessionIsRevoked):
            await house.refresh(signed_in, 1)
        assert (await house.log_in()).result.role is Role.SELLER

    @pytest.mark.parametrize("command", [SuspendAccount, DeleteAccount])
    async def test_an_account_that_may_not_act_is_not_prolonged(
        self, house: House, command: type[Command]
    ) -> None:
        chief, owner = await house.chief(), await house.owner()
        await house.ask(command(account_id=owner.actor_id), chief)  # type: ignore[call-arg]
        with pytest.raises(AccountMayNotGoOn) as refusal:
            await house.refresh(owner, 1)
        assert refusal.value.code == "INVALID_USER"

    async def test_the_actor_is_the_owner(self, house: House) -> None:
        owner = await house.owner()
        await house.refresh(owner, 1)
        assert house.store.log[-1].envelope.metadata.actor_id == owner.actor_id


class TestEnding:
    async def test_the_owner_ends_one_of_several(self, house: House) -> None:
        owner = await house.owner()
        other = (await house.log_in()).result
        events = await house.events_of_command(RevokeSession(session_id=other.session_id), owner)
        assert events == [SessionRevoked(account_id=other.account_id, reason=SessionEnding.LOGOUT)]
        assert house.open_sessions(owner.actor_id) == {owner.session_id}
        assert await house.events_of_command(RevokeSession(session_id=other.session_id), owner) == []

    async def test_nobody_ends_that_of_another(self, house: House) -> None:
        owner, other = await house.owner(), await house.owner("zebo@example.uz")
        assert owner.session_id is not None
        for session_id in (owner.session_id, new_id()):
            with pytest.raises(SessionNotFound):
                await house.ask(RevokeSession(session_id=session_id), other)
        with pytest.raises(NotAuthenticated):
            await house.ask(RevokeSession(session_id=owner.session_id), STRANGER)

    async def test_all_end_at_once(self, house: House) -> None:
        owner = await house.owner()
        sessions = [(await house.log_in()).result.session_id for _ in range(3)]
        done = await house.ask(LogOutEverywhere(), owner)
        assert set(done.result.ended_sessions) == {owner.session_id, *sessions}
        assert house.open_sessions(owner.actor_id) == set()
        reasons = {event.reason for event in house.store.events() if isinstance(event, SessionRevoked)}
        assert reasons == {SessionEnding.ALL_SESSIONS}
        assert house.store.appends == 5

    async def test_those_that_are_over_already_are_not_ended_again(self, house: House) -> None:
        owner = await house.owner()
        assert owner.session_id is not None
        await house.ask(LogOut(session_id=owner.session_id), owner)
        other = (await house.log_in()).result
        done = await house.ask(
            LogOutEverywhere(), msgspec.structs.replace(owner, session_id=other.session_id)
        )
        assert done.result.ended_sessions == (other.session_id,)

    async def test_a_session_that_is_over_ends_no_others(self, house: House) -> None:
        owner = await house.owner()
        assert owner.session_id is not None
        await house.ask(LogOut(session_id=owner.session_id), owner)
        other = (await house.log_in()).result
        assert await house.events_of(house.ask(LogOutEverywhere(), owner)) == []
        assert house.open_sessions(owner.actor_id) == {other.session_id}

    async def test_a_session_that_opens_meanwhile_ends_too_or_comes_after(self, house: House) -> None:
        owner = await house.owner()
        await asyncio.gather(
            *(house.log_in() for _ in range(5)), house.ask(LogOutEverywhere(), owner), return_exceptions=True
        )
        ended = [
            number for number, new in enumerate(house.store.log) if isinstance(new.event, SessionRevoked)
        ]
        opened = [
            number
            for number, new in enumerate(house.store.log)
            if isinstance(new.event, SessionOpened) and new.stream_id in house.open_sessions(owner.actor_id)
        ]
        assert all(number > max(ended) for number in opened)

    @pytest.mark.parametrize("command", [LogOut, RevokeSession, LogOutEverywhere])
    async def test_a_program_with_a_key_has_no_say_in_sessions(
        self, house: House, command: type[Command]
    ) -> None:
        owner = await house.owner()
        program = Caller(actor_id=owner.actor_id, actor_kind=ActorKind.API_KEY, role="customer")
        fields = {} if command is LogOutEverywhere else {"session_id": owner.session_id}
        with pytest.raises(NotPermitted):
            await house.ask(command(**fields), program)


class TestNumbers:
    async def signed_in(self, house: House, times: int) -> list[UUID]:
        return [(await house.log_in()).result.session_id for _ in range(times)]

    async def test_an_account_has_never_more_than_so_many(self, house: House) -> None:
        owner = await house.owner()
        await self.signed_in(house, SESSIONS_MAXIMUM - 1)
        assert len(house.open_sessions(owner.actor_id)) == SESSIONS_MAXIMUM
        assert not house.store.events(SessionRevoked)
        await self.signed_in(house, 3)
        assert len(house.open_sessions(owner.actor_id)) == SESSIONS_MAXIMUM
        assert len(house.account(owner.actor_id).sessions) == SESSIONS_MAXIMUM
        ended = [event.reason for event in house.store.events() if isinstance(event, SessionRevoked)]
        assert ended == [SessionEnding.LIMIT] * 3

    async def test_it_is_the_idle_one_that_goes_not_the_oldest(self, house: House) -> None:
        owner = await house.owner()
        house.clock.forward(hours=1)
        [idle] = await self.signed_in(house, 1)
        house.clock.forward(hours=1)
        await self.signed_in(house, SESSIONS_MAXIMUM - 2)
        await house.refresh(owner, 1)
        opened = house.open_sessions(owner.actor_id)
        await self.signed_in(house, 1)
        assert opened - house.open_sessions(owner.actor_id) == {idle}

    async def test_those_that_are_over_make_room(self, house: House) -> None:
        owner = await house.owner()
        for session_id in await self.signed_in(house, SESSIONS_MAXIMUM - 1):
            await house.ask(LogOut(session_id=session_id), owner)
        await self.signed_in(house, 2)
        assert owner.session_id in house.open_sessions(owner.actor_id)
        assert len(house.account(owner.actor_id).sessions) == 3
        over = [event.over for event in house.store.events() if isinstance(event, AccountLoggedIn)][-2]
        assert len(over) == SESSIONS_MAXIMUM - 1

    async def test_all_of_them_end_with_a_suspension(self, house: House) -> None:
        chief, owner = await house.chief(), await house.owner()
        assert owner.actor_id is not None
        await self.signed_in(house, SESSIONS_MAXIMUM + 5)
        done: Done[object] = await house.ask(SuspendAccount(account_id=owner.actor_id), chief)
        assert house.open_sessions(owner.actor_id) == set()
        assert len(done.result.ended_sessions) == SESSIONS_MAXIMUM  # type: ignore[attr-defined]
        await house.ask(UnsuspendAccount(account_id=owner.actor_id), chief)
        assert house.open_sessions(owner.actor_id) == set()
