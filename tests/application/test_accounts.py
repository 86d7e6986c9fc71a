"""Signing up, signing in and out: a command in, facts or a refusal out."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from application.accounts.commands import (
    ApproveSeller,
    BootstrapSuperAdmin,
    LogIn,
    LogOut,
    NewSession,
    RegisterAccount,
    RejectSeller,
)
from application.accounts.directory import ClaimedEmails
from application.accounts.handlers import HANDLERS, KINDS
from application.accounts.login import LogInService
from application.accounts.registration import RegistrationService
from application.accounts.results import Registered, SignedIn
from application.shared.caller import Caller
from application.shared.command import Command, Done, IdempotencyKey, StoreUnavailable
from domain.accounts.account import (
    AccountIsPending,
    AccountIsRejected,
    InvalidCredentials,
    UserExists,
)
from domain.accounts.email import EmailInvalid
from domain.accounts.events import (
    AccountLoggedIn,
    AccountRegistered,
    LoginFailed,
    LoginFailureClass,
    SellerApplicationSubmitted,
    SessionOpened,
    SessionRevoked,
)
from domain.accounts.registration import RegistrationInvalid
from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod, Role
from domain.accounts.security_log import security_log_id
from domain.accounts.session import SessionNotFound, first_refresh_token_id, refresh_token_hash
from domain.shared.claims import ValueClaimed
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from infrastructure.security.secrets import Secret
from tests.support.commands import NOON, Shop, admin, customer, shop

ROUNDS = 5
LIFETIME = timedelta(days=7)
ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")
STRANGER = Caller(ip="192.0.2.7", user_agent="Browser/1")
PEPPER = Secret("the pepper of these tests, long enough")
PASSWORD = "correct horse battery staple"


def identifier_hash(text: str) -> str:
    return hmac.new(PEPPER.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()


class Door:
    """The two services at the door of one shop, with real bcrypt at its least cost."""

    def __init__(self, market: Shop, hasher: PasswordHasher) -> None:
        self.market = market
        self.registration = RegistrationService(
            passwords=hasher,
            commands=market.loop,
            clock=market.clock,
            new_id=new_id,
            session_lifetime=LIFETIME,
        )
        self.login = self.login_with(hasher)

    def login_with(self, hasher: PasswordHasher) -> LogInService:
        return LogInService(
            emails=ClaimedEmails(self.market.store),
            credentials=self.market.store,
            passwords=hasher,
            identifier_hash=identifier_hash,
            commands=self.market.loop,
            clock=self.market.clock,
            new_id=new_id,
            session_lifetime=LIFETIME,
        )

    async def register(
        self,
        email: str = "nodira@example.uz",
        *,
        kind: AccountKind = AccountKind.CUSTOMER,
        password: str = PASSWORD,
        key: IdempotencyKey | None = None,
    ) -> Done[Registered]:
        return await self.registration.register(
            kind=kind, email=email, password=password, name="Nodira", caller=STRANGER, key=key
        )

    async def log_in(
        self, email: str = "nodira@example.uz", password: str = PASSWORD, by: Caller = STRANGER
    ) -> Done[SignedIn]:
        return await self.login.log_in(email=email, password=password, caller=by)

    async def admin(self) -> Caller:
        """The super admin of the house."""
        done = await self.registration.bootstrap_super_admin(email="root@example.uz", password=PASSWORD)
        return admin(done.result.account_id)


@pytest.fixture
async def market() -> AsyncIterator[Shop]:
    async with shop(HANDLERS, KINDS) as running:
        yield running


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    with PasswordHasher(pepper=PEPPER, rounds=ROUNDS, threads=1) as running:
        yield running


@pytest.fixture
def door(market: Shop, hasher: PasswordHasher) -> Door:
    return Door(market, hasher)


def registering(email: str = "nodira@example.uz", **changes: object) -> RegisterAccount:
    command = RegisterAccount(
        account_id=new_id(),
        kind=AccountKind.CUSTOMER,
        email=email,
        name="Nodira",
        password_hash=b"$2b$05$hash-of-nodira",
        session=NewSession(session_id=new_id(), refresh_jti_hash="ab" * 32, expires_at=NOON + LIFETIME),
    )
    return msgspec.structs.replace(command, **changes)


class TestRegistering:
    async def test_a_customer_gets_an_account_and_a_session_in_one_commit(self, market: Shop) -> None:
        command = registering()
        events = await market.events_of(command, STRANGER)
        assert [type(event) for event in events] == [ValueClaimed, AccountRegistered, SessionOpened]
        assert events[2] == SessionOpened(
            account_id=command.account_id,
            refresh_jti_hash="ab" * 32,
            expires_at=NOON + LIFETIME,
            ip="192.0.2.7",
            user_agent="Browser/1",
        )
        assert market.store.appends == 1
        assert market.store.credentials == {(command.account_id, "password"): command.password_hash}

    async def test_a_seller_gets_no_session_and_waits(self, market: Shop) -> None:
        command = registering(kind=AccountKind.SELLER, business_name="Silks")
        done = await market.ask(command, STRANGER)
        assert market.store.events()[-1] == SellerApplicationSubmitted(business_name="Silks")
        assert not market.store.events(SessionOpened)
        assert done.result == Registered(
            account_id=command.account_id,
            role=Role.SELLER,
            status=AccountStatus.PENDING,
            kind=AccountKind.SELLER,
            registered_at=NOON,
        )

    async def test_an_email_has_one_account_however_it_is_written(self, market: Shop) -> None:
        await market.ask(registering("nodira@example.uz"), STRANGER)
        with pytest.raises(UserExists) as refusal:
            await market.ask(registering(" NODIRA@Example.uz"), STRANGER)
        assert refusal.value.code == "USER_EXISTS"
        assert len(market.store.events(AccountRegistered)) == 1
        assert len(market.store.credentials) == 1

    async def test_of_many_who_ask_for_one_email_at_once_one_gets_it(self, market: Shop) -> None:
        asked = [market.ask(registering(), STRANGER) for _ in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, Done) for answer in answers) == 1
        assert sum(isinstance(answer, UserExists) for answer in answers) == 19
        assert len(market.store.events(AccountRegistered)) == len(market.store.credentials) == 1

    async def test_an_email_taken_through_another_process_is_taken(self, market: Shop) -> None:
        async with shop(HANDLERS, KINDS) as other:
            other.store.streams, other.store.log = market.store.streams, market.store.log
            await other.ask(registering(), STRANGER)
            with pytest.raises(UserExists):
                await market.ask(registering(), STRANGER)

    async def test_nobody_registers_as_staff(self, market: Shop) -> None:
        with pytest.raises(RegistrationInvalid):
            await market.ask(registering(kind=AccountKind.STAFF), STRANGER)
        assert not market.store.log

    async def test_a_malformed_email_never_enters_the_log(self, market: Shop) -> None:
        with pytest.raises(EmailInvalid):
            await market.ask(registering("no mail"), STRANGER)
        assert not market.store.log


class TestSigningUpAtTheDoor:
    async def test_the_password_is_kept_as_a_hash_and_nowhere_else(self, door: Door) -> None:
        done = await door.register()
        stored = door.market.store.credentials[done.result.account_id, "password"]
        assert stored.startswith(b"$2b$05$")
        written = repr([msgspec.json.encode(new.event) for new in door.market.store.log])
        assert PASSWORD not in written
        assert stored.decode() not in written
        assert stored not in msgspec.json.encode(done.result)

    async def test_the_session_knows_the_first_refresh_token(self, door: Door) -> None:
        done = await door.register()
        session_id = done.result.session_id
        assert session_id is not None
        [opened] = door.market.store.events(SessionOpened)
        assert isinstance(opened, SessionOpened)
        assert opened.refresh_jti_hash == refresh_token_hash(first_refresh_token_id(session_id))
        assert opened.expires_at == done.result.session_expires_at == NOON + LIFETIME

    async def test_the_new_owner_is_the_actor(self, door: Door) -> None:
        done = await door.registration.register(
            kind=AccountKind.CUSTOMER,
            email="nodira@example.uz",
            password=PASSWORD,
            name="Nodira",
            caller=admin(ADMIN),
        )
        metadata = door.market.store.log[0].envelope.metadata
        assert (metadata.actor_id, metadata.actor_role) == (done.result.account_id, None)

    async def test_whoever_fills_in_the_form_learns_of_everything_at_once(self, door: Door) -> None:
        with pytest.raises(RegistrationInvalid) as refusal:
            await door.registration.register(
                kind=AccountKind.SELLER,
                email="no mail",
                password="short",
                name="N",
                phone="12",
                business_name="\x00\x00",
                caller=STRANGER,
            )
        fields = [problem.field for problem in refusal.value.problems]
        assert fields == ["password", "email", "name", "phone", "businessName"]
        assert "short" not in refusal.value.message
        assert refusal.value.code == "VALIDATION_ERROR"

    async def test_staff_is_refused_before_any_work_is_done(self, door: Door) -> None:
        with pytest.raises(RegistrationInvalid):
            await door.register(kind=AccountKind.STAFF)
        assert door.market.store.appends == 0

    async def test_a_repeated_request_gets_the_same_account_and_session(self, door: Door) -> None:
        key = IdempotencyKey(new_id(), "again", b"digest")
        first = await door.register(key=key)
        second = await door.register(key=key)
        assert second.replayed
        assert second.result == first.result
        assert len(door.market.store.events(AccountRegistered)) == 1

    async def test_the_kept_answer_holds_no_personal_data(self, door: Door) -> None:
        key = IdempotencyKey(new_id(), "again", b"digest")
        await door.register(key=key)
        [answer] = door.market.store.kept_answers.values()
        assert b"odira" not in answer.result


class TestSigningIn:
    async def test_the_right_password_opens_a_session(self, door: Door) -> None:
        account_id = (await door.register()).result.account_id
        door.market.clock.forward(hours=1)
        done = await door.log_in(" NODIRA@example.UZ ")
        assert done.result == SignedIn(
            account_id=account_id,
            role=Role.CUSTOMER,
            status=AccountStatus.APPROVED,
            kind=AccountKind.CUSTOMER,
            session_id=done.result.session_id,
            session_expires_at=NOON + timedelta(hours=1) + LIFETIME,
            email="nodira@example.uz",
            name="Nodira",
            phone=None,
        )
        assert door.market.store.events()[-2:] == [
            AccountLoggedIn(session_id=done.result.session_id, method=LoginMethod.PASSWORD),
            SessionOpened(
                account_id=account_id,
                refresh_jti_hash=refresh_token_hash(first_refresh_token_id(done.result.session_id)),
                expires_at=done.result.session_expires_at,
                ip="192.0.2.7",
                user_agent="Browser/1",
            ),
        ]
        assert door.market.store.log[-1].envelope.metadata.actor_id == account_id

    async def test_each_time_is_a_session_of_its_own(self, door: Door) -> None:
        await door.register()
        first, second = await asyncio.gather(door.log_in(), door.log_in())
        assert first.result.session_id != second.result.session_id

    async def test_an_unknown_email_and_a_wrong_password_cannot_be_told_apart(self, door: Door) -> None:
        await door.register()
        before = len(door.market.store.log)
        refusals = []
        for email, password in [("nodira@example.uz", "wrong password"), ("who@example.uz", PASSWORD)]:
            with pytest.raises(InvalidCredentials) as refusal:
                await door.log_in(email, password)
            refusals.append((refusal.value.code, refusal.value.message, dict(refusal.value.details)))
        assert refusals[0] == refusals[1]
        assert refusals[0][0] == "INVALID_CREDENTIALS"
        recorded = door.market.store.log[before:]
        assert [new.event for new in recorded] == [
            LoginFailed(
                identifier_hash=identifier_hash(email),
                reason_class=LoginFailureClass.CREDENTIALS,
                ip="192.0.2.7",
            )
            for email in ("nodira@example.uz", "who@example.uz")
        ]
        assert all(new.envelope.metadata.actor_id is None for new in recorded)

    @pytest.mark.parametrize("email", ["", "no mail", "@", "нодира@example.uz"])
    async def test_what_is_no_email_is_an_unknown_one(self, door: Door, email: str) -> None:
        with pytest.raises(InvalidCredentials):
            await door.log_in(email)
        assert len(door.market.store.events(LoginFailed)) == 1

    @pytest.mark.parametrize("password", ["", PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), "x" * 100_000])
    async def test_no_other_password_opens_the_door(self, door: Door, password: str) -> None:
        await door.register()
        with pytest.raises(InvalidCredentials):
            await door.log_in(password=password)

    async def test_the_longest_password_with_more_behind_it_is_another_one(self, door: Door) -> None:
        await door.register(password="p" * 255)
        with pytest.raises(InvalidCredentials):
            await door.log_in(password="p" * 256)
        await door.log_in(password="p" * 255)

    async def test_an_account_without_a_password_cannot_be_entered_by_one(self, door: Door) -> None:
        await door.register()
        door.market.store.credentials.clear()
        with pytest.raises(InvalidCredentials):
            await door.log_in()

    async def test_failures_of_one_day_are_counted_together(self, door: Door) -> None:
        for email in ("who@example.uz", " WHO@Example.uz", "Who@example.uz "):
            with pytest.raises(InvalidCredentials):
                await door.log_in(email)
        stream = security_log_id(identifier_hash("who@example.uz"), NOON)
        assert len(door.market.store.streams[stream]) == 3

    async def test_a_sellers_standing_is_told_only_after_the_right_password(self, door: Door) -> None:
        account_id = (await door.register(kind=AccountKind.SELLER)).result.account_id
        with pytest.raises(InvalidCredentials):
            await door.log_in(password="wrong password")
        with pytest.raises(AccountIsPending):
            await door.log_in()
        await door.market.ask(RejectSeller(account_id=account_id, reason="No licence."), await door.admin())
        with pytest.raises(AccountIsRejected):
            await door.log_in()
        classes = [
            event.reason_class for event in door.market.store.events() if isinstance(event, LoginFailed)
        ]
        assert classes == [
            LoginFailureClass.CREDENTIALS,
            LoginFailureClass.STATUS,
            LoginFailureClass.STATUS,
        ]
        assert not door.market.store.events(SessionOpened)

    async def test_an_approved_seller_is_let_in(self, door: Door) -> None:
        account_id = (await door.register(kind=AccountKind.SELLER)).result.account_id
        await door.market.ask(ApproveSeller(account_id=account_id), await door.admin())
        assert (await door.log_in()).result.role is Role.SELLER

    async def test_a_cheap_hash_is_replaced_when_its_owner_signs_in(self, door: Door) -> None:
        account_id = (await door.register()).result.account_id
        old = door.market.store.credentials[account_id, "password"]
        with PasswordHasher(pepper=PEPPER, rounds=ROUNDS + 1, threads=1) as dearer:
            login = door.login_with(dearer)
            with pytest.raises(InvalidCredentials):
                await login.log_in(email="nodira@example.uz", password="wrong password", caller=STRANGER)
            assert door.market.store.credentials[account_id, "password"] == old
            await login.log_in(email="nodira@example.uz", password=PASSWORD, caller=STRANGER)
            renewed = door.market.store.credentials[account_id, "password"]
            assert renewed.startswith(b"$2b$06$")
            await login.log_in(email="nodira@example.uz", password=PASSWORD, caller=STRANGER)
            assert door.market.store.credentials[account_id, "password"] == renewed

    async def test_nobody_is_let_in_while_the_store_is_away(self, door: Door) -> None:
        await door.register()
        door.market.store.away = True
        with pytest.raises(StoreUnavailable):
            await door.log_in()
        door.market.store.away = False
        await door.log_in()

    async def test_a_command_for_no_account_says_what_a_wrong_password_says(self, market: Shop) -> None:
        command = LogIn(account_id=new_id(), method=LoginMethod.PASSWORD, session=registering().session)
        with pytest.raises(InvalidCredentials):
            await market.ask(command, STRANGER)


class TestSigningOut:
    async def test_the_owner_ends_the_session_once(self, door: Door) -> None:
        done = (await door.register()).result
        assert done.session_id is not None
        events = await door.market.events_of(LogOut(session_id=done.session_id), customer(done.account_id))
        assert [type(event) for event in events] == [SessionRevoked]
        again = await door.market.ask(LogOut(session_id=done.session_id), customer(done.account_id))
        assert again.position == 0
        assert again.result.revoked

    async def test_others_learn_nothing(self, door: Door) -> None:
        done = (await door.register()).result
        assert done.session_id is not None
        for session_id in (done.session_id, new_id()):
            with pytest.raises(SessionNotFound):
                await door.market.ask(LogOut(session_id=session_id), customer(ADMIN))
        with pytest.raises(NotAuthenticated):
            await door.market.ask(LogOut(session_id=done.session_id), STRANGER)
        assert not door.market.store.events(SessionRevoked)


class TestTheFirstAdmin:
    async def test_starting_twice_makes_one_super_admin_who_keeps_the_password(self, door: Door) -> None:
        first = await door.registration.bootstrap_super_admin(email="Root@example.uz", password=PASSWORD)
        store = door.market.store
        log, kept = len(store.log), dict(store.credentials)
        second = await door.registration.bootstrap_super_admin(
            email="root@example.uz", password="another password"
        )
        assert (first.result.created, second.result.created) == (True, False)
        assert first.result.account_id == second.result.account_id
        assert (len(store.log), store.credentials) == (log, kept)
        assert (await door.log_in("root@example.uz")).result.role is Role.SUPER_ADMIN

    async def test_whoever_registered_the_address_before_is_not_lifted_into_the_house(
        self, door: Door
    ) -> None:
        await door.register("root@example.uz")
        with pytest.raises(UserExists):
            await door.registration.bootstrap_super_admin(email="root@example.uz", password=PASSWORD)
        assert (await door.log_in("root@example.uz")).result.role is Role.CUSTOMER

    async def test_a_short_password_is_refused(self, door: Door) -> None:
        with pytest.raises(RegistrationInvalid):
            await door.registration.bootstrap_super_admin(email="root@example.uz", password="short")

    async def test_no_caller_makes_one_not_even_an_admin(self, market: Shop) -> None:
        command = BootstrapSuperAdmin(
            account_id=new_id(), email="root@example.uz", name="Root", password_hash=b"hash"
        )
        for caller in (STRANGER, customer(ADMIN), admin(ADMIN)):
            with pytest.raises(NotPermitted):
                await market.ask(command, caller)
        assert not market.store.log


class TestDiscretion:
    def test_commands_never_show_secrets_or_personal_data(self) -> None:
        session = registering().session
        account_id = new_id()
        commands: list[Command] = [
            registering(phone="+998901234567"),
            LogIn(
                account_id=account_id,
                method=LoginMethod.PASSWORD,
                session=session,
                password_hash=b"$2b$05$hash-of-nodira",
            ),
            BootstrapSuperAdmin(
                account_id=account_id,
                email="nodira@example.uz",
                name="Nodira",
                password_hash=b"$2b$05$hash-of-nodira",
            ),
        ]
        for command in commands:
            rich = command.__rich_repr__()
            shown = f"{command!r} {command} {rich}"
            assert "account_id" in shown
            assert not any(word in shown for word in ("odira", "$2b$", "+998", "ab" * 32))

    def test_the_one_signed_in_is_printed_without_personal_data(self) -> None:
        signed_in = SignedIn(
            account_id=new_id(),
            role=Role.CUSTOMER,
            status=AccountStatus.APPROVED,
            kind=AccountKind.CUSTOMER,
            session_id=new_id(),
            session_expires_at=NOON,
            email="nodira@example.uz",
            name="Nodira",
            phone="+998901234567",
        )
        assert not any(word in f"{signed_in!r} {signed_in.__rich_repr__()}" for word in ("odira", "+998"))

    async def test_an_email_is_held_only_by_whoever_registered_it(self, door: Door) -> None:
        account_id = (await door.register()).result.account_id
        emails = ClaimedEmails(door.market.store)
        assert await emails.holder_of_email("nodira@example.uz") == account_id
        assert await emails.holder_of_email("who@example.uz") is None
