"""What admins do with accounts, what owners say of themselves, and what is left of somebody who was deleted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.accounts.commands import (
    ApproveSeller,
    ChangeAccountRole,
    ChangePassword,
    DeleteAccount,
    NewProof,
    PermitPasswordReset,
    RejectSeller,
    RequestPasswordReset,
    ResetPassword,
    RotateRefreshToken,
    SignInByPhone,
    SuspendAccount,
    UnsuspendAccount,
    UpdateProfile,
    VerifyPhone,
)
from application.accounts.links import DrawnLink
from application.accounts.opening import new_session
from application.accounts.ports import LinkMail, LinkPurpose
from application.accounts.results import AccountOutcome, SellerDecision
from application.accounts.tickets import Ticket
from application.shared.caller import SYSTEM, ActorKind, Caller
from application.shared.command import Command, Done, IdempotencyKey, StaleVersion
from application.shared.store import Credential
from domain.accounts.account import (
    AccountIsGone,
    AccountIsSuspended,
    AccountNotFound,
    InvalidCredentials,
    SellerNotPending,
)
from domain.accounts.events import (
    AccountDeleted,
    AccountRenamed,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    AvatarChanged,
    ContactPhoneChanged,
    SellerApproved,
    SellerRejected,
    SessionEnding,
    SessionRevoked,
)
from domain.accounts.name import NameInvalid
from domain.accounts.permissions import Permission
from domain.accounts.profile import PhoneIsOnlyKey
from domain.accounts.proofs import VerificationTokenInvalid
from domain.accounts.roles import AccountKind, AccountStatus, MailedProof, Role
from domain.api_keys.api_key import ApiKeyInvalid
from domain.api_keys.events import ApiKeyRevoked
from domain.otp.events import OtpPurpose
from domain.shared.claims import ClaimReleased
from domain.shared.errors import NotAuthenticated, NotPermitted
from domain.shared.reasons import ReasonInvalid
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import (
    EMAIL,
    LIFETIME,
    PASSWORD,
    PHONE,
    STRANGER,
    House,
    make_hasher,
    open_house,
)
from tests.support.commands import NOON

PICTURE = "https://pictures.example/nodira.jpg"


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(hasher: PasswordHasher) -> AsyncIterator[House]:
    async with open_house(hasher) as opened:
        yield opened


def about(owner: Caller, command: type[Command], **more: Any) -> Command:
    return command(account_id=owner.actor_id, **more)  # type: ignore[call-arg]


async def waiting(house: House) -> UUID:
    """The account of a seller who waits to be let in."""
    return (await house.register("anvar@example.uz", AccountKind.SELLER)).result.account_id


class TestSuspending:
    async def test_an_admin_suspends_and_every_session_ends_in_the_same_commit(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        await house.log_in()
        appends = house.store.appends
        done = await house.ask(about(owner, SuspendAccount, reason="Spam."), admin)
        assert house.store.appends == appends + 1
        assert done.result == AccountOutcome(
            account_id=owner.actor_id or new_id(),
            role=Role.CUSTOMER,
            status=AccountStatus.SUSPENDED,
            kind=AccountKind.CUSTOMER,
            ended_sessions=done.result.ended_sessions,
        )
        assert len(done.result.ended_sessions) == 2
        assert owner.session_id in done.result.ended_sessions
        assert done.version == len(house.store.streams[owner.actor_id or new_id()])
        assert house.store.events()[-3:] == [
            SessionRevoked(account_id=owner.actor_id or new_id(), reason=SessionEnding.SUSPENDED),
            SessionRevoked(account_id=owner.actor_id or new_id(), reason=SessionEnding.SUSPENDED),
            AccountSuspended(by=admin.actor_id or new_id(), reason="Spam."),
        ]
        with pytest.raises(AccountIsSuspended):
            await house.log_in()

    async def test_who_gets_the_account_back_signs_in_again(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        await house.ask(about(owner, SuspendAccount), admin)
        events = await house.events_of_command(about(owner, UnsuspendAccount), admin)
        assert events == [AccountUnsuspended(by=admin.actor_id or new_id())]
        await house.log_in()

    async def test_twice_is_once(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        await house.ask(about(owner, SuspendAccount), admin)
        assert await house.events_of_command(about(owner, SuspendAccount), admin) == []
        await house.ask(about(owner, UnsuspendAccount), admin)
        assert await house.events_of_command(about(owner, UnsuspendAccount), admin) == []

    async def test_a_repeat_under_a_key_is_answered_from_the_record(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        key = IdempotencyKey(admin.actor_id or new_id(), "once", b"digest")
        first = await house.ask(about(owner, SuspendAccount), admin, key=key)
        again = await house.ask(about(owner, SuspendAccount), admin, key=key)
        assert again.replayed
        assert again.result == first.result

    async def test_who_decided_on_what_is_no_longer_so_is_told(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        version = len(house.store.streams[owner.actor_id or new_id()])
        with pytest.raises(StaleVersion):
            await house.ask(about(owner, SuspendAccount), admin, expected_version=version - 1)
        await house.ask(about(owner, SuspendAccount), admin, expected_version=version)

    async def test_a_reason_can_be_read_or_is_left_out(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        with pytest.raises(ReasonInvalid):
            await house.ask(about(owner, SuspendAccount, reason="\x00"), admin)
        assert house.account(owner.actor_id).status is AccountStatus.APPROVED


class TestDecidingOnSellers:
    async def test_an_admin_approves(self, house: House) -> None:
        admin, account_id = await house.admin(), await waiting(house)
        done = await house.ask(ApproveSeller(account_id=account_id), admin)
        assert done.result == SellerDecision(account_id=account_id, status=AccountStatus.APPROVED)
        assert house.store.events()[-1] == SellerApproved(approved_by=admin.actor_id or new_id())
        assert await house.events_of_command(ApproveSeller(account_id=account_id), admin) == []

    async def test_an_admin_turns_down_with_a_reason(self, house: House) -> None:
        admin, account_id = await house.admin(), await waiting(house)
        command = RejectSeller(account_id=account_id, reason="No licence.")
        assert await house.events_of_command(command, admin) == [
            SellerRejected(rejected_by=admin.actor_id or new_id(), reason="No licence.")
        ]
        with pytest.raises(SellerNotPending):
            await house.ask(ApproveSeller(account_id=account_id), admin)

    async def test_of_two_admins_who_disagree_at_once_the_first_decides(self, house: House) -> None:
        admin, account_id = await house.admin(), await waiting(house)
        answers = await asyncio.gather(
            house.ask(ApproveSeller(account_id=account_id), admin),
            house.ask(RejectSeller(account_id=account_id, reason="No."), await house.chief()),
            return_exceptions=True,
        )
        assert isinstance(answers[0], Done)
        assert isinstance(answers[1], SellerNotPending)

    async def test_a_customer_has_no_application(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        with pytest.raises(SellerNotPending):
            await house.ask(about(owner, ApproveSeller), admin)

    async def test_who_is_deleted_has_none_either(self, house: House) -> None:
        admin, account_id = await house.admin(), await waiting(house)
        await house.ask(DeleteAccount(account_id=account_id), admin)
        with pytest.raises(AccountNotFound):
            await house.ask(ApproveSeller(account_id=account_id), admin)


COMMANDS: dict[type[Command], dict[str, Any]] = {
    ApproveSeller: {},
    RejectSeller: {"reason": "No licence."},
    SuspendAccount: {},
    UnsuspendAccount: {},
    DeleteAccount: {},
    ChangeAccountRole: {"role": Role.ADMIN},
}


@pytest.mark.parametrize("command", list(COMMANDS), ids=lambda each: each.__name__)
class TestWhoMay:
    async def test_a_role_that_a_token_speaks_of_counts_for_nothing(
        self, house: House, command: type[Command]
    ) -> None:
        owner, other = await house.owner(), await house.owner("zebo@example.uz")
        claims_to_be = Caller(actor_id=other.actor_id, role="super_admin")
        with pytest.raises(NotPermitted):
            await house.ask(about(owner, command, **COMMANDS[command]), claims_to_be)

    async def test_whoever_was_an_admin_until_a_moment_ago_is_none(
        self, house: House, command: type[Command]
    ) -> None:
        chief, owner = await house.chief(), await house.owner()
        admin = await house.admin()
        await house.ask(about(admin, ChangeAccountRole, role=Role.CUSTOMER), chief)
        with pytest.raises(NotPermitted):
            await house.ask(about(owner, command, **COMMANDS[command]), admin)

    async def test_neither_strangers_nor_the_house_nor_accounts_that_never_were(
        self, house: House, command: type[Command]
    ) -> None:
        owner = await house.owner()
        asked = about(owner, command, **COMMANDS[command])
        for nobody in (STRANGER, SYSTEM, Caller(role="admin", actor_kind=ActorKind.WEBHOOK)):
            with pytest.raises(NotAuthenticated):
                await house.ask(asked, nobody)
        with pytest.raises(AccountIsGone):
            await house.ask(asked, Caller(actor_id=new_id(), role="super_admin"))
        workflow = Caller(actor_id=new_id(), role="system", actor_kind=ActorKind.SYSTEM)
        with pytest.raises(NotPermitted):
            await house.ask(asked, workflow)

    async def test_nobody_to_themselves(self, house: House, command: type[Command]) -> None:
        for oneself in (await house.chief(), await house.admin()):
            with pytest.raises(NotPermitted):
                await house.ask(about(oneself, command, **COMMANDS[command]), oneself)

    async def test_an_admin_not_to_a_super_admin(self, house: House, command: type[Command]) -> None:
        chief, admin = await house.chief(), await house.admin()
        with pytest.raises(NotPermitted):
            await house.ask(about(chief, command, **COMMANDS[command]), admin)

    async def test_not_to_an_account_that_never_was(self, house: House, command: type[Command]) -> None:
        chief = await house.chief()
        with pytest.raises(AccountNotFound):
            await house.ask(command(account_id=new_id(), **COMMANDS[command]), chief)


class TestRoles:
    async def test_a_super_admin_changes_a_role_and_no_session_of_the_old_one_is_left(
        self, house: House
    ) -> None:
        chief, owner = await house.chief(), await house.owner()
        done = await house.ask(about(owner, ChangeAccountRole, role=Role.SALON), chief)
        assert done.result.role is Role.SALON
        assert done.result.ended_sessions == (owner.session_id,)
        assert house.store.events()[-2:] == [
            SessionRevoked(account_id=owner.actor_id or new_id(), reason=SessionEnding.ROLE),
            AccountRoleChanged(old_role=Role.CUSTOMER, new_role=Role.SALON, by=chief.actor_id or new_id()),
        ]

    async def test_an_admin_changes_none(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        with pytest.raises(NotPermitted):
            await house.ask(about(owner, ChangeAccountRole, role=Role.CUSTOMER), admin)

    async def test_the_same_role_ends_no_session(self, house: House) -> None:
        chief, owner = await house.chief(), await house.owner()
        assert await house.events_of_command(about(owner, ChangeAccountRole, role=Role.CUSTOMER), chief) == []
        assert house.open_sessions(owner.actor_id) == {owner.session_id}

    async def test_of_two_super_admins_who_dismiss_each_other_at_once_one_stays(self, house: House) -> None:
        first = await house.chief()
        second_id = (await house.register("second@example.uz")).result.account_id
        second = Caller(actor_id=second_id, role="super_admin")
        await house.ask(about(second, ChangeAccountRole, role=Role.SUPER_ADMIN), first)
        answers = await asyncio.gather(
            house.ask(about(second, ChangeAccountRole, role=Role.CUSTOMER), first),
            house.ask(about(first, ChangeAccountRole, role=Role.CUSTOMER), second),
            return_exceptions=True,
        )
        assert sum(isinstance(each, NotPermitted) for each in answers) == 1
        roles = [house.account(each.actor_id).role for each in (first, second)]
        assert roles.count(Role.SUPER_ADMIN) == 1

    async def test_no_program_changes_one_whatever_its_key(self, house: House) -> None:
        chief, owner = await house.chief(), await house.owner()
        program = Caller(actor_id=chief.actor_id, actor_kind=ActorKind.API_KEY, role="super_admin")
        with pytest.raises(NotPermitted):
            await house.ask(about(owner, ChangeAccountRole, role=Role.ADMIN), program)


class TestPrograms:
    async def test_a_program_manages_accounts_when_its_key_says_so(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        program = Caller(
            actor_id=admin.actor_id,
            actor_kind=ActorKind.API_KEY,
            role="admin",
            permissions=frozenset({"accounts:manage"}),
        )
        await house.ask(about(owner, SuspendAccount), program)
        less = msgspec.structs.replace(program, permissions=frozenset({"orders:read"}))
        for command in (ApproveSeller, SuspendAccount, UnsuspendAccount, DeleteAccount):
            with pytest.raises(NotPermitted):
                await house.ask(about(owner, command), less)
        assert house.account(owner.actor_id).status is AccountStatus.SUSPENDED


class TestDeleting:
    async def everything(self, house: House) -> Caller:
        """Somebody with all that an account can have."""
        owner = await house.owner()
        await house.log_in()
        await house.verification.request_phone_code(phone=PHONE, caller=owner)
        code = house.codes.codes[OtpPurpose.SIGNUP, PHONE]
        await house.verification.verify_phone(phone=PHONE, code=code, caller=owner)
        await house.ask(about(owner, UpdateProfile, name="Nodira Karimova", avatar_url=PICTURE), owner)
        await house.resets.request_link(email=EMAIL, caller=STRANGER)
        return owner

    async def test_sessions_keys_secrets_and_names_go_in_one_commit(self, house: House) -> None:
        admin, owner = await house.admin(), await self.everything(house)
        key = await house.issuer.issue(name="Till", permissions=[Permission.ORDERS_READ], caller=owner)
        appends = house.store.appends
        done = await house.ask(about(owner, DeleteAccount, reason="Asked for it."), admin)
        assert house.store.appends == appends + 1
        assert done.result.status is AccountStatus.DELETED
        assert len(done.result.ended_sessions) == 2
        assert done.result.revoked_keys == (key.done.result.key_id,)
        assert house.open_sessions(owner.actor_id) == set()
        assert house.secrets_kept(owner.actor_id) == house.secrets_kept(key.done.result.key_id) == set()
        told = house.store.events()[-1 - len(done.result.ended_sessions) - 5 :]
        assert sum(isinstance(each, ClaimReleased) for each in told) == 3
        assert [each for each in told if isinstance(each, ApiKeyRevoked)] == [
            ApiKeyRevoked(by=admin.actor_id or new_id())
        ]
        assert told[-1] == AccountDeleted(by=admin.actor_id or new_id(), reason="Asked for it.")
        assert key.plain is not None
        with pytest.raises(ApiKeyInvalid):
            await house.key_door.admit(key.plain)
        with pytest.raises(InvalidCredentials):
            await house.log_in()

    async def test_the_person_is_gone_from_the_log(self, house: House) -> None:
        admin, owner = await house.admin(), await self.everything(house)
        others = (await house.register("zebo@example.uz")).result.account_id
        await house.ask(about(owner, DeleteAccount), admin)
        written = repr([msgspec.json.encode(new.event) for new in house.store.log])
        assert not any(word in written for word in (EMAIL, "Karimova", PHONE, "pictures.example"))
        assert "192.0.2.7" in written  # of others, who are not forgotten
        assert house.account(others).email == "zebo@example.uz"
        for new in house.store.log:
            if new.envelope.metadata.actor_id == owner.actor_id:
                assert new.envelope.ip is None
        account = house.account(owner.actor_id)
        assert (account.email, account.name, account.phone, account.verified_phone) == (None,) * 4

    async def test_the_answers_that_were_kept_for_them_are_gone(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        key = IdempotencyKey(owner.actor_id or new_id(), "once", b"digest")
        await house.ask(about(owner, UpdateProfile, name="Nodira Karimova"), owner, key=key)
        assert house.store.kept_answers
        await house.ask(about(owner, DeleteAccount), admin)
        assert not house.store.kept_answers

    async def test_their_address_and_phone_are_free_for_others(self, house: House) -> None:
        admin, owner = await house.admin(), await self.everything(house)
        await house.ask(about(owner, DeleteAccount), admin)
        again = await house.owner()
        assert again.actor_id != owner.actor_id
        await house.verification.request_phone_code(phone=PHONE, caller=again)
        code = house.codes.codes[OtpPurpose.SIGNUP, PHONE]
        await house.verification.verify_phone(phone=PHONE, code=code, caller=again)

    async def test_twice_is_once(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        await house.ask(about(owner, DeleteAccount), admin)
        assert await house.events_of_command(about(owner, DeleteAccount), admin) == []

    async def test_links_from_before_open_nothing(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        token = house.post.newest(LinkPurpose.EMAIL_VERIFICATION).token
        await house.ask(about(owner, DeleteAccount), admin)
        with pytest.raises(VerificationTokenInvalid):
            await house.verification.verify_by_link(token=token, caller=STRANGER)

    async def test_what_a_deleted_owner_still_asks_for_is_refused(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        await house.ask(about(owner, DeleteAccount), admin)
        with pytest.raises(AccountIsGone):
            await house.ask(about(owner, UpdateProfile, name="Zebo"), owner)
        with pytest.raises(AccountIsGone):
            await house.issuer.issue(name="Till", caller=owner)

    async def test_an_account_that_signs_in_meanwhile_has_no_session_left(self, house: House) -> None:
        admin, owner = await house.admin(), await house.owner()
        await asyncio.gather(
            *(house.log_in() for _ in range(5)),
            house.ask(about(owner, DeleteAccount), admin),
            *(house.log_in() for _ in range(5)),
            return_exceptions=True,
        )
        assert house.open_sessions(owner.actor_id) == set()

    async def test_a_super_admin_deletes_another_one(self, house: House) -> None:
        chief = await house.chief()
        other = await house.owner("second@example.uz")
        await house.ask(about(other, ChangeAccountRole, role=Role.SUPER_ADMIN), chief)
        await house.ask(about(other, DeleteAccount), chief)
        assert house.account(other.actor_id).status is AccountStatus.DELETED


class TestProfiles:
    async def test_each_thing_that_is_new_is_a_fact(self, house: House) -> None:
        owner = await house.owner()
        wish = about(owner, UpdateProfile, name="Zebo", avatar_url=PICTURE, phone="+998 90 765-43-21")
        assert await house.events_of_command(wish, owner) == [
            AccountRenamed(name="Zebo"),
            AvatarChanged(url=PICTURE),
            ContactPhoneChanged(phone="+998907654321"),
        ]
        assert await house.events_of_command(wish, owner) == []

    async def test_all_of_it_or_nothing(self, house: House) -> None:
        owner = await house.owner()
        with pytest.raises(NameInvalid):
            await house.ask(about(owner, UpdateProfile, avatar_url=PICTURE, name="N"), owner)
        assert not house.store.events(AvatarChanged)

    async def test_a_phone_that_is_given_up_is_free(self, house: House) -> None:
        owner, other = await house.owner(), await house.owner("zebo@example.uz")
        await house.ask(about(owner, VerifyPhone, phone=PHONE), owner)
        await house.ask(about(owner, UpdateProfile, phone=None), owner)
        await house.ask(about(other, VerifyPhone, phone=PHONE), other)
        assert house.account(other.actor_id).verified_phone == PHONE

    async def test_who_enters_by_phone_alone_does_not_give_it_up(self, house: House) -> None:
        session = new_session(new_id(), now=NOON, lifetime=LIFETIME)
        done = await house.ask(SignInByPhone(account_id=new_id(), phone=PHONE, session=session))
        owner = Caller(actor_id=done.result.account_id, role="customer")
        with pytest.raises(PhoneIsOnlyKey):
            await house.ask(about(owner, UpdateProfile, phone=None), owner)

    async def test_only_ones_own_and_in_person(self, house: House) -> None:
        owner, other = await house.owner(), await house.owner("zebo@example.uz")
        program = Caller(actor_id=owner.actor_id, actor_kind=ActorKind.API_KEY, role="customer")
        for by in (other, program, await house.chief()):
            with pytest.raises(NotPermitted):
                await house.ask(about(owner, UpdateProfile, name="Eve"), by)
        with pytest.raises(NotAuthenticated):
            await house.ask(about(owner, UpdateProfile, name="Eve"), STRANGER)

    async def test_the_kept_answer_holds_no_personal_data(self, house: House) -> None:
        owner = await house.owner()
        key = IdempotencyKey(owner.actor_id or new_id(), "once", b"digest")
        await house.ask(about(owner, UpdateProfile, name="Zebo"), owner, key=key)
        [answer] = house.store.kept_answers.values()
        assert b"Zebo" not in answer.result


class TestDiscretion:
    def test_nothing_that_holds_a_secret_shows_it(self) -> None:
        account_id, secret = new_id(), b"\xfe\xdc" * 16
        token = secret.hex()
        session = new_session(new_id(), now=NOON, lifetime=LIFETIME)
        proof = NewProof(method=MailedProof.LINK, expires_at=NOON, digest=secret)
        things: list[Any] = [
            proof,
            RequestPasswordReset(account_id=account_id, proof=proof),
            PermitPasswordReset(account_id=account_id, digest=secret, expires_at=NOON),
            ResetPassword(account_id=account_id, number=1, password_hash=secret),
            ChangePassword(account_id=account_id, password_generation=0, password_hash=secret),
            SignInByPhone(account_id=account_id, phone=PHONE, name="Nodira", session=session),
            VerifyPhone(account_id=account_id, phone=PHONE),
            UpdateProfile(account_id=account_id, name="Nodira", phone=PHONE),
            RotateRefreshToken(
                account_id=account_id, session_id=new_id(), jti_hash=token, expires_at=NOON, grace_seconds=1
            ),
            DrawnLink(purpose=LinkPurpose.PASSWORD_RESET, proof=proof, token=token),
            LinkMail(
                message_id=new_id(),
                purpose=LinkPurpose.PASSWORD_RESET,
                account_id=account_id,
                to=EMAIL,
                to_name="Nodira",
                token=token,
                lifetime=timedelta(minutes=10),
                expires_at=NOON,
            ),
            Ticket(digest=secret, number=1, expires_at=NOON),
            Credential(owner_id=account_id, name="password_reset", value=secret),
        ]
        for thing in things:
            shown = f"{thing!r} {thing} {thing.__rich_repr__()}"
            assert not any(word in shown for word in ("odira", PHONE, token, repr(secret), PASSWORD)), shown
