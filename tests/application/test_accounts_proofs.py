"""Links, codes and passwords at the door: newest only, once, in time, and strangers learn nothing."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from application.accounts.commands import LogIn, SignInByPhone, SuspendAccount, VerifyPhone
from application.accounts.handlers import PhoneMovedOn
from application.accounts.opening import new_session
from application.accounts.passwords import TICKET_LIFETIME
from application.accounts.ports import LinkPurpose
from application.shared.caller import ActorKind, Caller
from application.shared.command import IdempotencyKey, StoreUnavailable, Unavailable
from domain.accounts.account import (
    AccountIsSuspended,
    EmailNotVerified,
    InvalidCredentials,
    UserExists,
)
from domain.accounts.email import EmailInvalid
from domain.accounts.events import (
    AccountRegistered,
    EmailVerificationRequested,
    EmailVerified,
    LoginFailed,
    LoginFailureClass,
    PasswordChanged,
    PasswordReset,
    PasswordResetPermitted,
    PasswordResetRequested,
    PhoneVerified,
    ProofDenied,
    ProofPurpose,
    SessionEnding,
    SessionOpened,
    SessionRevoked,
)
from domain.accounts.name import NameInvalid
from domain.accounts.password import PasswordUnfit
from domain.accounts.phone import PhoneInvalid
from domain.accounts.proofs import InvalidCurrentPassword, ResetTokenInvalid, VerificationTokenInvalid
from domain.accounts.registration import RegistrationInvalid
from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod, MailedProof, Role
from domain.otp.events import OtpChannel, OtpPurpose
from domain.otp.refusals import OtpInvalid
from domain.shared.claims import ClaimReleased
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import (
    EMAIL,
    LIFETIME,
    MUST_VERIFY,
    PASSWORD,
    PHONE,
    STRANGER,
    House,
    another_process,
    identifier_hash,
    make_hasher,
    open_house,
)
from tests.support.commands import NOON

NEW = "a new and longer password"
VERIFICATION, RESET = LinkPurpose.EMAIL_VERIFICATION, LinkPurpose.PASSWORD_RESET
SIGNUP_CODE, RESET_CODE = (OtpPurpose.SIGNUP, EMAIL), (OtpPurpose.RESET, EMAIL)

# What no token of ours looks like, and one that nobody was given.
MADE_UP = ["", "x", "00" * 32, "g" * 64, "AB" * 32, "00" * 33, "0" * 100_000, "٠" * 64]


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(hasher: PasswordHasher) -> AsyncIterator[House]:
    async with open_house(hasher) as opened:
        yield opened


class TestSigningUp:
    async def test_a_customer_gets_a_session_and_a_link(self, house: House) -> None:
        done = await house.register(locale="uz")
        [mail] = house.post.mails
        assert (mail.purpose, mail.to, mail.to_name, mail.locale) == (VERIFICATION, EMAIL, "Nodira", "uz")
        assert mail.account_id == done.result.account_id
        assert mail.expires_at == NOON + timedelta(hours=24)
        assert house.store.events(EmailVerificationRequested) == [
            EmailVerificationRequested(method=MailedProof.LINK, expires_at=mail.expires_at)
        ]
        assert done.result.session_id is not None
        assert house.account(done.result.account_id).sessions == (done.result.session_id,)
        assert house.store.appends == 1

    @pytest.mark.parametrize("kind", [AccountKind.INFLUENCER, AccountKind.SALON])
    async def test_influencers_and_salons_get_a_code_and_no_session(
        self, house: House, kind: AccountKind
    ) -> None:
        done = await house.register(kind=kind, locale="ru")
        assert done.result.session_id is None
        assert done.result.role.value == kind.value
        assert done.result.status is AccountStatus.APPROVED
        assert not house.post.mails
        assert house.codes.sent == [
            (OtpPurpose.SIGNUP, OtpChannel.EMAIL, EMAIL, done.result.account_id, "ru")
        ]
        [born] = house.store.events(AccountRegistered)
        assert isinstance(born, AccountRegistered)
        assert born.terms_accepted_at == NOON
        assert house.store.events(EmailVerificationRequested) == [
            EmailVerificationRequested(method=MailedProof.OTP, expires_at=NOON + timedelta(minutes=5))
        ]

    async def test_who_does_not_accept_the_terms_is_no_influencer(self, house: House) -> None:
        with pytest.raises(RegistrationInvalid) as refusal:
            await house.register(kind=AccountKind.INFLUENCER, terms_accepted=False)
        assert [problem.field for problem in refusal.value.problems] == ["termsAccepted"]
        assert not house.store.log

    async def test_the_account_is_there_when_no_code_can_be_had(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(**_: object) -> None:
            raise Unavailable("The memory of codes cannot be reached.")

        monkeypatch.setattr(house.codes, "request", away)
        done = await house.register(kind=AccountKind.SALON)
        assert house.account(done.result.account_id).kind is AccountKind.SALON

    async def test_a_repeated_request_mails_no_second_link(self, house: House) -> None:
        key = IdempotencyKey(new_id(), "again", b"digest")
        await house.register(key=key)
        assert (await house.register(key=key)).replayed
        assert len(house.post.mails) == 1
        await house.verification.verify_by_link(token=house.post.mails[0].token, caller=STRANGER)

    async def test_who_must_verify_signs_in_only_after_that(self, house: House) -> None:
        await house.register(kind=AccountKind.INFLUENCER)
        with pytest.raises(InvalidCredentials):
            await house.log_in(password="wrong password")
        with pytest.raises(EmailNotVerified) as refusal:
            await house.log_in()
        assert refusal.value.code == "EMAIL_NOT_VERIFIED"
        classes = [each.reason_class for each in house.store.events() if isinstance(each, LoginFailed)]
        assert classes == [LoginFailureClass.CREDENTIALS, LoginFailureClass.STATUS]
        code = house.codes.codes[SIGNUP_CODE]
        await house.verification.verify_by_code(email=" NODIRA@example.uz", code=code, caller=STRANGER)
        assert (await house.log_in()).result.role is Role.INFLUENCER

    async def test_a_customer_signs_in_unverified(self, house: House) -> None:
        await house.register()
        assert (await house.log_in()).result.role is Role.CUSTOMER

    async def test_customers_get_no_session_where_they_must_verify_too(
        self, house: House, hasher: PasswordHasher
    ) -> None:
        house.registration._must_verify = MUST_VERIFY | {AccountKind.CUSTOMER}
        done = await house.register()
        assert done.result.session_id is None
        assert not house.store.events(SessionOpened)


class TestVerifyingByLink:
    async def test_following_the_link_verifies_the_address(self, house: House) -> None:
        owner = await house.owner()
        token = house.post.newest(VERIFICATION).token
        done = await house.verification.verify_by_link(token=token, caller=STRANGER)
        assert done.result.account_id == owner.actor_id
        assert house.store.events()[-1] == EmailVerified(method=MailedProof.LINK)
        assert house.store.log[-1].envelope.metadata.actor_id == owner.actor_id
        assert house.account(owner.actor_id).email_verified

    async def test_only_the_sha_256_of_the_token_is_kept_and_nothing_once_it_was_used(
        self, house: House
    ) -> None:
        owner = await house.owner()
        token = house.post.newest(VERIFICATION).token
        assert len(bytes.fromhex(token)) == 32
        kept = b"".join(house.store.credentials.values())
        assert hashlib.sha256(token.encode()).digest() in kept
        assert token.encode() not in kept
        assert bytes.fromhex(token) not in kept
        await house.verification.verify_by_link(token=token, caller=STRANGER)
        assert house.secrets_kept(owner.actor_id) == {"password"}

    async def test_it_is_good_once_however_many_follow_it_at_once(self, house: House) -> None:
        await house.owner()
        token = house.post.newest(VERIFICATION).token
        asked = [house.verification.verify_by_link(token=token, caller=STRANGER) for _ in range(10)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(each, VerificationTokenInvalid) for each in answers) == 9
        assert len(house.store.events(EmailVerified)) == 1

    async def test_it_is_good_for_a_day(self, house: House) -> None:
        await house.owner()
        token = house.post.newest(VERIFICATION).token
        house.clock.forward(hours=24)
        with pytest.raises(VerificationTokenInvalid):
            await house.verification.verify_by_link(token=token, caller=STRANGER)

    async def test_a_newer_one_makes_it_void(self, house: House) -> None:
        await house.owner()
        old = house.post.newest(VERIFICATION).token
        await house.verification.request_link(email=EMAIL, caller=STRANGER)
        new = house.post.newest(VERIFICATION).token
        assert new != old
        with pytest.raises(VerificationTokenInvalid):
            await house.verification.verify_by_link(token=old, caller=STRANGER)
        await house.verification.verify_by_link(token=new, caller=STRANGER)

    async def test_one_that_was_read_before_a_newer_one_was_asked_for_is_void_too(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.owner()
        token = house.post.newest(VERIFICATION).token
        find = house.store.find_credential

        async def slow(name: str, beginning: bytes) -> Any:
            found = await find(name, beginning)
            await house.verification.request_link(email=EMAIL, caller=STRANGER)
            return found

        monkeypatch.setattr(house.store, "find_credential", slow)
        with pytest.raises(VerificationTokenInvalid):
            await house.verification.verify_by_link(token=token, caller=STRANGER)

    @pytest.mark.parametrize("token", MADE_UP)
    async def test_what_is_made_up_opens_nothing(self, house: House, token: str) -> None:
        await house.owner()
        with pytest.raises(VerificationTokenInvalid):
            await house.verification.verify_by_link(token=token, caller=STRANGER)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=token, password=NEW, caller=STRANGER)

    async def test_a_link_to_verify_sets_no_password_and_the_other_way_round(self, house: House) -> None:
        await house.owner()
        await house.resets.request_link(email=EMAIL, caller=STRANGER)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(
                token=house.post.newest(VERIFICATION).token, password=NEW, caller=STRANGER
            )
        with pytest.raises(VerificationTokenInvalid):
            await house.verification.verify_by_link(token=house.post.newest(RESET).token, caller=STRANGER)


class TestVerifyingByCode:
    async def test_a_wrong_code_verifies_nothing(self, house: House) -> None:
        done = await house.register(kind=AccountKind.SALON)
        with pytest.raises(OtpInvalid):
            await house.verification.verify_by_code(email=EMAIL, code="000000", caller=STRANGER)
        assert not house.account(done.result.account_id).email_verified

    async def test_a_new_code_takes_the_place_of_the_old_one(self, house: House) -> None:
        await house.register(kind=AccountKind.SALON)
        old = house.codes.codes[SIGNUP_CODE]
        await house.verification.request_code(email=EMAIL, caller=STRANGER)
        new = house.codes.codes[SIGNUP_CODE]
        with pytest.raises(OtpInvalid):
            await house.verification.verify_by_code(email=EMAIL, code=old, caller=STRANGER)
        await house.verification.verify_by_code(email=EMAIL, code=new, caller=STRANGER)
        assert house.store.events(EmailVerified) == [EmailVerified(method=MailedProof.OTP)]

    async def test_a_code_to_sign_up_sets_no_password(self, house: House) -> None:
        await house.register(kind=AccountKind.SALON)
        with pytest.raises(OtpInvalid):
            await house.resets.verify_code(email=EMAIL, code=house.codes.codes[SIGNUP_CODE], caller=STRANGER)


class TestForgottenPasswords:
    async def forgotten(self, house: House) -> str:
        await house.resets.request_link(email=" NODIRA@Example.uz ", caller=STRANGER)
        return house.post.newest(RESET).token

    async def test_a_link_sets_a_new_password_and_ends_all_sessions(self, house: House) -> None:
        owner = await house.owner()
        other = (await house.log_in()).result
        token = await self.forgotten(house)
        assert house.post.newest(RESET).expires_at == NOON + timedelta(minutes=10)
        done = await house.resets.reset(token=token, password=NEW, caller=STRANGER)
        assert set(done.result.ended_sessions) == {owner.session_id, other.session_id}
        assert house.open_sessions(owner.actor_id) == set()
        assert house.store.events()[-3:] == [
            SessionRevoked(account_id=owner.actor_id or new_id(), reason=SessionEnding.PASSWORD),
            SessionRevoked(account_id=owner.actor_id or new_id(), reason=SessionEnding.PASSWORD),
            PasswordReset(channel=MailedProof.LINK),
        ]
        with pytest.raises(InvalidCredentials):
            await house.log_in()
        await house.log_in(password=NEW)
        assert "password_reset" not in house.secrets_kept(owner.actor_id)

    async def test_it_is_good_once_however_many_follow_it_at_once(self, house: House) -> None:
        await house.owner()
        token = await self.forgotten(house)
        asked = [
            house.resets.reset(token=token, password=f"{NEW} {number}", caller=STRANGER)
            for number in range(5)
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(each, ResetTokenInvalid) for each in answers) == 4
        [winner] = [number for number, each in enumerate(answers) if not isinstance(each, Exception)]
        await house.log_in(password=f"{NEW} {winner}")

    async def test_it_is_good_for_ten_minutes(self, house: House) -> None:
        await house.owner()
        token = await self.forgotten(house)
        house.clock.forward(minutes=10)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=token, password=NEW, caller=STRANGER)

    async def test_a_newer_one_makes_it_void(self, house: House) -> None:
        await house.owner()
        old, new = await self.forgotten(house), await self.forgotten(house)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=old, password=NEW, caller=STRANGER)
        await house.resets.reset(token=new, password=NEW, caller=STRANGER)

    async def test_a_code_that_is_asked_for_makes_it_void(self, house: House) -> None:
        owner = await house.owner()
        token = await self.forgotten(house)
        await house.resets.request_code(email=EMAIL, caller=STRANGER)
        assert "password_reset" not in house.secrets_kept(owner.actor_id)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=token, password=NEW, caller=STRANGER)

    async def test_a_changed_password_makes_it_void(self, house: House) -> None:
        owner = await house.owner()
        token = await self.forgotten(house)
        await house.changes.change(current=PASSWORD, new=NEW, caller=owner)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=token, password=PASSWORD, caller=STRANGER)

    async def test_a_password_that_nobody_may_have_does_not_use_it_up(self, house: House) -> None:
        await house.owner()
        token = await self.forgotten(house)
        with pytest.raises(PasswordUnfit):
            await house.resets.reset(token=token, password="short", caller=STRANGER)
        await house.resets.reset(token=token, password=NEW, caller=STRANGER)

    async def test_a_code_gives_a_ticket_which_sets_a_new_password_once(self, house: House) -> None:
        owner = await house.owner()
        await house.resets.request_code(email=EMAIL, caller=STRANGER, language="uz")
        assert house.codes.sent[-1] == (OtpPurpose.RESET, OtpChannel.EMAIL, EMAIL, owner.actor_id, "uz")
        code = house.codes.codes[RESET_CODE]
        ticket = await house.resets.verify_code(email=EMAIL, code=code, caller=STRANGER)
        assert ticket.expires_at == NOON + TICKET_LIFETIME
        assert ticket.token not in f"{ticket!r} {ticket.__rich_repr__()}"
        with pytest.raises(OtpInvalid):
            await house.resets.verify_code(email=EMAIL, code=code, caller=STRANGER)
        await house.resets.reset(token=ticket.token, password=NEW, caller=STRANGER)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=ticket.token, password=PASSWORD, caller=STRANGER)
        await house.log_in(password=NEW)
        told = [type(each) for each in house.store.events() if "Password" in type(each).__name__]
        assert told == [PasswordResetRequested, PasswordResetPermitted, PasswordReset]

    async def test_without_the_code_there_is_no_ticket_and_without_the_ticket_no_password(
        self, house: House
    ) -> None:
        await house.owner()
        await house.resets.request_code(email=EMAIL, caller=STRANGER)
        with pytest.raises(OtpInvalid):
            await house.resets.verify_code(email=EMAIL, code="000000", caller=STRANGER)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=house.codes.codes[RESET_CODE], password=NEW, caller=STRANGER)
        assert not house.store.events(PasswordReset)

    async def test_a_ticket_is_good_for_ten_minutes(self, house: House) -> None:
        await house.owner()
        await house.resets.request_code(email=EMAIL, caller=STRANGER)
        code = house.codes.codes[RESET_CODE]
        ticket = await house.resets.verify_code(email=EMAIL, code=code, caller=STRANGER)
        house.clock.forward(minutes=10)
        with pytest.raises(ResetTokenInvalid):
            await house.resets.reset(token=ticket.token, password=NEW, caller=STRANGER)


class TestStrangersLearnNothing:
    WISHES: tuple[tuple[str, Callable[[House, str], Awaitable[None]], ProofPurpose], ...] = (
        (
            "a link to verify",
            lambda house, email: house.verification.request_link(email=email, caller=STRANGER),
            ProofPurpose.VERIFICATION,
        ),
        (
            "a code to verify",
            lambda house, email: house.verification.request_code(email=email, caller=STRANGER),
            ProofPurpose.VERIFICATION,
        ),
        (
            "a link for a new password",
            lambda house, email: house.resets.request_link(email=email, caller=STRANGER),
            ProofPurpose.RESET,
        ),
        (
            "a code for a new password",
            lambda house, email: house.resets.request_code(email=email, caller=STRANGER),
            ProofPurpose.RESET,
        ),
    )

    @pytest.mark.parametrize(("what", "ask", "purpose"), WISHES, ids=[each[0] for each in WISHES])
    async def test_the_answer_and_the_work_are_the_same_for_an_unknown_address(
        self,
        house: House,
        what: str,
        ask: Callable[[House, str], Awaitable[None]],
        purpose: ProofPurpose,
    ) -> None:
        await house.owner()
        mails, sent = len(house.post.mails), len(house.codes.sent)
        costs = []
        for email in (EMAIL, "who@example.uz"):
            before = house.store.appends, house.market.loop.statistics.commands
            await ask(house, email)
            after = house.store.appends, house.market.loop.statistics.commands
            costs.append((after[0] - before[0], after[1] - before[1]))
        assert costs[0] == costs[1]
        # One went out; for the other only the security log knows.
        assert len(house.post.mails) - mails + len(house.codes.sent) - sent == 1
        assert house.store.events()[-1] == ProofDenied(
            identifier_hash=identifier_hash("who@example.uz"), purpose=purpose, ip="192.0.2.7"
        )
        assert "who@" not in repr([msgspec.json.encode(new.event) for new in house.store.log])

    async def test_a_verified_address_gets_no_mail_and_nobody_can_tell(self, house: House) -> None:
        await house.owner()
        await house.verification.verify_by_link(token=house.post.newest(VERIFICATION).token, caller=STRANGER)
        await house.verification.request_link(email=EMAIL, caller=STRANGER)
        await house.verification.request_code(email=EMAIL, caller=STRANGER)
        assert len(house.post.mails) == 1
        assert not house.codes.sent
        assert house.codes.pretended == [SIGNUP_CODE]

    async def test_a_code_for_an_unknown_address_is_wrong_like_any_other(self, house: House) -> None:
        await house.resets.request_code(email=EMAIL, caller=STRANGER)
        with pytest.raises(OtpInvalid):
            await house.resets.verify_code(email=EMAIL, code="123456", caller=STRANGER)
        with pytest.raises(OtpInvalid):
            await house.verification.verify_by_code(email=EMAIL, code="123456", caller=STRANGER)

    async def test_what_is_no_address_is_refused_before_anything_is_done(self, house: House) -> None:
        for ask in (house.resets.request_link, house.resets.request_code, house.verification.request_link):
            with pytest.raises(EmailInvalid):
                await ask(email="no mail", caller=STRANGER)
        assert not house.store.log

    async def test_signing_in_asks_for_as_much_of_an_unknown_address(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.owner()
        loads: list[int] = []
        for name in ("load", "credential"):
            original = getattr(house.store, name)

            async def counted(*args: Any, original: Any = original) -> Any:
                loads[-1] += 1
                return await original(*args)

            monkeypatch.setattr(house.store, name, counted)
        for email in (EMAIL, "who@example.uz"):
            loads.append(0)
            with pytest.raises(InvalidCredentials):
                await house.log_in(email, "wrong password")
        # The stream of the security log that each begins is among them.
        assert loads[0] == loads[1]

    async def test_an_outage_is_told_to_everybody(self, house: House) -> None:
        await house.owner()
        house.store.away = True
        for email in (EMAIL, "who@example.uz"):
            with pytest.raises(StoreUnavailable):
                await house.resets.request_link(email=email, caller=STRANGER)


class TestChangingThePassword:
    async def test_the_new_one_opens_the_door_and_other_sessions_end(self, house: House) -> None:
        owner = await house.owner()
        other = (await house.log_in()).result
        done = await house.changes.change(current=PASSWORD, new=NEW, caller=owner)
        assert done.result.ended_sessions == (other.session_id,)
        assert house.open_sessions(owner.actor_id) == {owner.session_id}
        assert house.account(owner.actor_id).sessions == (owner.session_id,)
        assert (await house.refresh(owner, 1)).result.number == 2
        with pytest.raises(InvalidCredentials):
            await house.log_in()
        await house.log_in(password=NEW)

    async def test_who_does_not_know_the_old_one_changes_nothing(self, house: House) -> None:
        owner = await house.owner()
        for wrong in ("wrong password", "", PASSWORD + "x", "x" * 100_000):
            with pytest.raises(InvalidCurrentPassword) as refusal:
                await house.changes.change(current=wrong, new=NEW, caller=owner)
            assert refusal.value.code == "INVALID_CURRENT_PASSWORD"
        assert not house.store.events(PasswordChanged)
        await house.log_in()

    async def test_a_new_password_is_a_password(self, house: House) -> None:
        owner = await house.owner()
        with pytest.raises(PasswordUnfit) as refusal:
            await house.changes.change(current=PASSWORD, new="short", caller=owner)
        assert [problem.field for problem in refusal.value.problems] == ["newPassword"]

    async def test_who_has_no_password_has_no_current_one(self, house: House) -> None:
        owner = await phone_owner(house)
        with pytest.raises(InvalidCurrentPassword):
            await house.changes.change(current=PASSWORD, new=NEW, caller=owner)

    async def test_neither_a_stranger_nor_a_program_changes_one(self, house: House) -> None:
        owner = await house.owner()
        with pytest.raises(NotAuthenticated):
            await house.changes.change(current=PASSWORD, new=NEW, caller=STRANGER)
        program = Caller(actor_id=owner.actor_id, actor_kind=ActorKind.API_KEY, role="customer")
        with pytest.raises(NotPermitted):
            await house.changes.change(current=PASSWORD, new=NEW, caller=program)
        await house.log_in()

    async def test_of_two_at_once_one_wins_and_the_other_learns_that_it_lost(self, house: House) -> None:
        owner = await house.owner()
        wishes = ["first new password", "second new password"]
        answers = await asyncio.gather(
            *(house.changes.change(current=PASSWORD, new=each, caller=owner) for each in wishes),
            return_exceptions=True,
        )
        lost = [number for number, each in enumerate(answers) if isinstance(each, InvalidCurrentPassword)]
        assert len(lost) == 1
        await house.log_in(password=wishes[1 - lost[0]])
        with pytest.raises(InvalidCredentials):
            await house.log_in(password=wishes[lost[0]])


class TestTheRaceOfPasswords:
    async def test_a_hash_that_is_renewed_never_undoes_a_change(
        self, house: House, hasher: PasswordHasher
    ) -> None:
        owner = await house.owner()
        account = house.account(owner.actor_id)
        session = new_session(new_id(), now=house.clock(), lifetime=LIFETIME)
        late = LogIn(
            account_id=account.account_id,
            method=LoginMethod.PASSWORD,
            session=session,
            password_generation=account.password_generation,
            password_hash=b"the old password, hashed anew",
        )
        await house.changes.change(current=PASSWORD, new=NEW, caller=owner)
        kept = house.store.credentials[account.account_id, "password"]
        with pytest.raises(InvalidCredentials):
            await house.ask(late, STRANGER)
        assert house.store.credentials[account.account_id, "password"] == kept
        assert house.open_sessions(owner.actor_id) == {owner.session_id}

    async def test_who_showed_the_old_password_is_not_let_in_after_the_change(
        self, house: House, hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner = await house.owner()
        verify = hasher.verify

        async def slow(password: str, hashed: str | None) -> bool:
            matches = await verify(password, hashed)
            monkeypatch.undo()
            async with another_process(house, hasher) as there:
                await there.changes.change(current=PASSWORD, new=NEW, caller=owner)
            return matches

        monkeypatch.setattr(hasher, "verify", slow)
        with pytest.raises(InvalidCredentials):
            await house.log_in()
        assert house.open_sessions(owner.actor_id) == {owner.session_id}

    @pytest.mark.parametrize("what", ["sign in", "change it once more"])
    async def test_nor_when_the_change_comes_between_two_looks(
        self, house: House, hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        owner = await house.owner()
        looks: list[str] = []

        def watched(name: str, look: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def looking(*args: Any) -> Any:
                looks.append(name)
                if len(looks) == 2:
                    monkeypatch.undo()
                    async with another_process(house, hasher) as there:
                        await there.changes.change(current=PASSWORD, new=NEW, caller=owner)
                return await look(*args)

            return looking

        monkeypatch.setattr(house.accounts, "account", watched("account", house.accounts.account))
        monkeypatch.setattr(house.store, "credential", watched("credential", house.store.credential))
        asked: Awaitable[Any] = (
            house.log_in()
            if what == "sign in"
            else house.changes.change(current=PASSWORD, new="a third password", caller=owner)
        )
        with pytest.raises((InvalidCredentials, InvalidCurrentPassword)):
            await asked
        assert sorted(looks) == ["account", "credential"]
        await house.log_in(password=NEW)


async def phone_owner(house: House, phone: str = PHONE, **more: Any) -> Caller:
    """Somebody who has just signed in by phone."""
    await house.by_phone.request_code(phone=phone, caller=STRANGER)
    done = await house.by_phone.sign_in(
        phone=phone, code=house.codes.codes[OtpPurpose.LOGIN, phone], caller=STRANGER, **more
    )
    return Caller(
        actor_id=done.result.account_id, role=done.result.role.value, session_id=done.result.session_id
    )


class TestSigningInByPhone:
    async def test_who_is_new_becomes_a_customer(self, house: House) -> None:
        await house.by_phone.request_code(phone="+998 90 123-45-67", caller=STRANGER, language="uz")
        assert house.codes.sent == [(OtpPurpose.LOGIN, OtpChannel.SMS, PHONE, None, "uz")]
        code = house.codes.codes[OtpPurpose.LOGIN, PHONE]
        done = await house.by_phone.sign_in(
            phone=PHONE, code=code, name="Nodira", locale="uz", caller=STRANGER
        )
        assert (done.result.registered, done.result.role, done.result.email) == (True, Role.CUSTOMER, None)
        assert (done.result.name, done.result.phone) == ("Nodira", PHONE)
        account = house.account(done.result.account_id)
        assert account.verified_phone == PHONE
        assert account.sessions == (done.result.session_id,)
        assert PhoneVerified(phone=PHONE) in house.store.events()
        assert house.secrets_kept(done.result.account_id) == set()

    async def test_who_is_known_is_let_in_again(self, house: House) -> None:
        first = await phone_owner(house)
        again = await phone_owner(house, name="Somebody else")
        assert again.actor_id == first.actor_id
        assert len(house.store.events(AccountRegistered)) == 1
        assert house.account(first.actor_id).name is None

    async def test_a_wrong_code_opens_nothing(self, house: House) -> None:
        await house.by_phone.request_code(phone=PHONE, caller=STRANGER)
        with pytest.raises(OtpInvalid):
            await house.by_phone.sign_in(phone=PHONE, code="000000", caller=STRANGER)
        assert not house.store.log

    async def test_a_name_or_phone_that_nobody_has_does_not_use_the_code_up(self, house: House) -> None:
        await house.by_phone.request_code(phone=PHONE, caller=STRANGER)
        code = house.codes.codes[OtpPurpose.LOGIN, PHONE]
        with pytest.raises(NameInvalid):
            await house.by_phone.sign_in(phone=PHONE, code=code, name="N", caller=STRANGER)
        with pytest.raises(PhoneInvalid):
            await house.by_phone.request_code(phone="12", caller=STRANGER)
        await house.by_phone.sign_in(phone=PHONE, code=code, name="Nodira", caller=STRANGER)

    async def test_a_suspended_owner_is_told_only_after_the_code_was_right(self, house: House) -> None:
        owner, chief = await phone_owner(house), await house.chief()
        assert owner.actor_id is not None
        await house.ask(SuspendAccount(account_id=owner.actor_id), chief)
        with pytest.raises(AccountIsSuspended):
            await phone_owner(house)
        [failed] = [each for each in house.store.events() if isinstance(each, LoginFailed)]
        assert failed.identifier_hash == identifier_hash(PHONE)
        assert failed.reason_class is LoginFailureClass.STATUS

    async def test_many_who_have_the_code_at_once_are_one_customer(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def right(**_: object) -> None:
            await asyncio.sleep(0)

        monkeypatch.setattr(house.codes, "verify", right)
        asked = [house.by_phone.sign_in(phone=PHONE, code="123456", caller=STRANGER) for _ in range(10)]
        answers = await asyncio.gather(*asked)
        assert len({each.result.account_id for each in answers}) == 1
        assert sum(each.result.registered for each in answers) == 1
        assert len(house.store.events(AccountRegistered)) == 1

    async def test_a_phone_that_changed_hands_meanwhile_opens_the_account_of_its_new_owner_only(
        self, house: House
    ) -> None:
        first, other = await phone_owner(house), await house.owner()
        assert first.actor_id is not None
        assert other.actor_id is not None
        session = new_session(new_id(), now=house.clock(), lifetime=LIFETIME)
        for account_id, phone in ((other.actor_id, PHONE), (other.actor_id, "+998907654321")):
            with pytest.raises(PhoneMovedOn):
                await house.ask(SignInByPhone(account_id=account_id, phone=phone, session=session), STRANGER)
        assert house.open_sessions(other.actor_id) == {other.session_id}

    async def test_an_unverified_phone_of_somebody_else_is_no_key_to_their_account(
        self, house: House
    ) -> None:
        registered = (await house.register(phone=PHONE)).result
        signed_in = await phone_owner(house)
        assert signed_in.actor_id != registered.account_id


class TestVerifyingAPhone:
    async def verify(self, house: House, owner: Caller, phone: str = PHONE) -> None:
        await house.verification.request_phone_code(phone=phone, caller=owner)
        code = house.codes.codes[OtpPurpose.SIGNUP, phone]
        await house.verification.verify_phone(phone=phone, code=code, caller=owner)

    async def test_the_owner_signs_in_by_it_from_then_on(self, house: House) -> None:
        owner = await house.owner()
        await self.verify(house, owner)
        assert (await phone_owner(house)).actor_id == owner.actor_id

    async def test_a_phone_has_one_owner(self, house: House) -> None:
        await phone_owner(house)
        other = await house.owner()
        with pytest.raises(UserExists) as refusal:
            await self.verify(house, other)
        assert refusal.value.code == "USER_EXISTS"

    async def test_another_phone_takes_its_place_and_the_old_one_is_free(self, house: House) -> None:
        owner = await phone_owner(house)
        new = "+998907654321"
        await self.verify(house, owner, new)
        assert any(isinstance(event, ClaimReleased) for event in house.store.events())
        assert (await phone_owner(house, new)).actor_id == owner.actor_id
        assert (await phone_owner(house, PHONE)).actor_id != owner.actor_id

    async def test_only_by_its_owner_in_person(self, house: House) -> None:
        owner, other = await house.owner(), await house.owner("zebo@example.uz")
        assert owner.actor_id is not None
        with pytest.raises(NotAuthenticated):
            await house.verification.request_phone_code(phone=PHONE, caller=STRANGER)
        with pytest.raises(NotPermitted):
            await house.ask(VerifyPhone(account_id=owner.actor_id, phone=PHONE), other)
        program = Caller(actor_id=owner.actor_id, actor_kind=ActorKind.API_KEY, role="customer")
        with pytest.raises(NotPermitted):
            await house.ask(VerifyPhone(account_id=owner.actor_id, phone=PHONE), program)
