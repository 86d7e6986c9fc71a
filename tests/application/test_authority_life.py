"""Whatever is asked of accounts, roles and keys, in whatever order: nobody gets more than who gave it to them had."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from application.accounts.authority import may
from application.accounts.commands import (
    BootstrapSuperAdmin,
    ChangeAccountRole,
    DeleteAccount,
    LogIn,
    NewSession,
    RegisterAccount,
    SuspendAccount,
    UnsuspendAccount,
)
from application.api_keys.commands import IssueApiKey, RevokeApiKey
from application.api_keys.results import KeyBearer
from application.api_keys.using import bearer_of, caller_by_key
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Command
from application.shared.loop import CommandLoop
from domain.accounts.account import Account
from domain.accounts.account import evolve as evolve_account
from domain.accounts.permissions import PERMISSIONS, Permission, permits
from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod, Role
from domain.accounts.session import Session
from domain.accounts.session import evolve as evolve_session
from domain.api_keys.api_key import KEYS_MAXIMUM, ApiKey, key_digest
from domain.api_keys.api_key import evolve as evolve_key
from domain.shared.errors import DomainError
from infrastructure.identity import new_id
from tests.application.identity import HANDLERS, KINDS
from tests.support.commands import CLAIMS, TestClock
from tests.support.given import fold
from tests.support.memory_store import InMemoryEventStore

T = TypeVar("T")
PEOPLE = 4
WHO = st.sampled_from((0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4))
WHOM = st.sampled_from((0, 1, 1, 1, 2, 2, 3, 4))
ROLES = st.sampled_from((Role.ADMIN, Role.ADMIN, Role.SUPER_ADMIN, Role.SUPER_ADMIN, *Role))
WHICH = st.integers(min_value=0, max_value=99)
PERMISSION_SETS = st.one_of(
    st.sampled_from(
        (
            (Permission.EVERYTHING,),
            (Permission.ACCOUNTS_MANAGE, Permission.ORDERS_READ),
            (Permission.ORDERS_READ,),
        )
    ),
    st.lists(st.sampled_from(list(Permission)), max_size=4).map(tuple),
)


class AuthorityLife(RuleBasedStateMachine):
    """One super admin, four customers, and what becomes of them; `by_key` asks by a key that was issued before."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = InMemoryEventStore()
        self.clock = TestClock()
        self.people: list[UUID] = []
        self.keys: list[UUID] = []
        self.held_on_issue: dict[UUID, frozenset[Permission]] = {}
        self.roles_given_by: list[tuple[Role, Role]] = []
        self.states: dict[tuple[UUID, int], Any] = {}

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.run(self.loop.__aexit__(None, None, None))
        self.runner.close()

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    @initialize()
    def open(self) -> None:
        self.loop = CommandLoop(
            self.store, handlers=HANDLERS, kinds=[*KINDS, CLAIMS], clock=self.clock, new_id=new_id
        )
        self.run(self.loop.__aenter__())
        chief = new_id()
        self.ask(
            BootstrapSuperAdmin(account_id=chief, email="root@example.uz", name="Root", password_hash=b"x"),
            SYSTEM,
        )
        self.people.append(chief)
        for number in range(PEOPLE):
            person = new_id()
            self.ask(
                RegisterAccount(
                    account_id=person,
                    kind=AccountKind.CUSTOMER,
                    email=f"person{number}@example.uz",
                    name="Person",
                    password_hash=b"x",
                    session=self.new_session(),
                ),
                Caller(),
            )
            self.people.append(person)
        self.change_role(0, 1, Role.ADMIN)
        self.change_role(0, 2, Role.SELLER)
        for number, permission in (
            (0, Permission.EVERYTHING),
            (1, Permission.EVERYTHING),
            (2, Permission.LISTINGS_WRITE),
        ):
            assert self.issue(self.person(number), (permission, Permission.ORDERS_READ), None)

    # --- what is asked -------------------------------------------------------------------------------------

    @rule(by=WHO, whom=WHOM, role=ROLES)
    def change_role(self, by: int, whom: int, role: Role) -> None:
        giver = self.account(self.people[by])
        if self.ask(ChangeAccountRole(account_id=self.people[whom], role=role), self.person(by)):
            self.roles_given_by.append((giver.role, role))

    @rule(by=WHO, whom=WHOM)
    def suspend(self, by: int, whom: int) -> None:
        self.ask(SuspendAccount(account_id=self.people[whom]), self.person(by))

    @rule(by=WHO, whom=WHOM)
    def unsuspend(self, by: int, whom: int) -> None:
        self.ask(UnsuspendAccount(account_id=self.people[whom]), self.person(by))

    @rule(by=WHO, whom=st.sampled_from((1, 2, 3, 3, 3, 4, 4, 4)))
    def delete(self, by: int, whom: int) -> None:
        self.ask(DeleteAccount(account_id=self.people[whom]), self.person(by))

    @rule(who=WHO)
    def sign_in(self, who: int) -> None:
        account_id = self.people[who]
        command = LogIn(account_id=account_id, method=LoginMethod.PASSWORD, session=self.new_session())
        self.ask(command, Caller(actor_id=account_id))

    @rule(by=WHO, permissions=PERMISSION_SETS, days=st.sampled_from([None, 1, 30]))
    def issue_key(self, by: int, permissions: tuple[Permission, ...], days: int | None) -> None:
        self.issue(self.person(by), permissions, days)

    @rule(which=WHICH, permissions=PERMISSION_SETS)
    def issue_key_by_key(self, which: int, permissions: tuple[Permission, ...]) -> None:
        caller = self.program(which)
        if caller is not None:
            assert not self.issue(caller, permissions, None), "a key begets no key"

    @rule(which=WHICH, whom=WHOM, what=st.sampled_from(["suspend", "unsuspend", "delete", "role"]))
    def manage_by_key(self, which: int, whom: int, what: str) -> None:
        caller = self.program(which)
        if caller is None:
            return
        account_id = self.people[whom]
        commands: dict[str, Command] = {
            "suspend": SuspendAccount(account_id=account_id),
            "unsuspend": UnsuspendAccount(account_id=account_id),
            "delete": DeleteAccount(account_id=account_id),
            "role": ChangeAccountRole(account_id=account_id, role=Role.SUPER_ADMIN),
        }
        done = self.ask(commands[what], caller)
        assert not done or (what != "role" and may(caller, Permission.ACCOUNTS_MANAGE))

    @rule(by=WHO, which=WHICH)
    def revoke_key(self, by: int, which: int) -> None:
        if self.keys:
            self.ask(RevokeApiKey(key_id=self.keys[which % len(self.keys)]), self.person(by))

    @rule(hours=st.integers(min_value=1, max_value=40))
    def wait(self, hours: int) -> None:
        self.clock.forward(hours=hours)

    # --- what always holds ---------------------------------------------------------------------------------

    @invariant()
    def a_key_is_worth_no_more_than_its_issuer_then_and_its_owner_now(self) -> None:
        for key_id in self.keys:
            bearer = self.bearer(key_id)
            if bearer is None:
                continue
            owner = self.account(self.key(key_id).owner_id)
            assert owner.status is AccountStatus.APPROVED
            assert bearer.permissions <= self.held_on_issue[key_id]
            assert all(permits(owner.role, each) for each in bearer.permissions)
            caller = caller_by_key(bearer, Caller())
            assert {each for each in Permission if may(caller, each)} <= self.held_on_issue[key_id]
            assert not caller.is_admin or owner.role in {Role.ADMIN, Role.SUPER_ADMIN}

    @invariant()
    def only_super_admins_ever_gave_a_role(self) -> None:
        assert all(giver is Role.SUPER_ADMIN for giver, _ in self.roles_given_by)

    @invariant()
    def there_is_a_super_admin_who_may_act(self) -> None:
        if self.people:
            accounts = [self.account(each) for each in self.people]
            assert any(
                each.role is Role.SUPER_ADMIN and each.status is AccountStatus.APPROVED for each in accounts
            )

    @invariant()
    def who_may_not_act_has_no_open_session(self) -> None:
        for stream_id, events in self.store.streams.items():
            if type(events[0]).__name__ != "SessionOpened":
                continue
            session: Session = self.folded(evolve_session, stream_id)
            if not session.is_over(self.clock()):
                account = self.account(session.account_id)
                assert account.status is AccountStatus.APPROVED
                assert stream_id in account.sessions

    @invariant()
    def nobody_has_more_keys_than_they_may(self) -> None:
        good = [self.key(each).owner_id for each in self.keys if not self.key(each).is_over(self.clock())]
        assert all(good.count(person) <= KEYS_MAXIMUM for person in self.people)

    @invariant()
    def the_deleted_have_nothing_left(self) -> None:
        for person in self.people:
            if self.account(person).status is AccountStatus.DELETED:
                assert not any(owner == person for owner, _ in self.store.credentials)
                mine = [each for each in self.keys if self.key(each).owner_id == person]
                assert all(self.key(each).revoked for each in mine)

    # --- short ways ----------------------------------------------------------------------------------------

    def ask(self, command: Command, by: Caller) -> bool:
        """Whether it was done, and changed anything."""
        with suppress(DomainError):
            return self.run(self.loop.submit(command, by)).position > 0
        return False

    def issue(self, by: Caller, permissions: tuple[Permission, ...], days: int | None) -> bool:
        key_id = new_id()
        command = IssueApiKey(
            key_id=key_id,
            name="Key",
            permissions=permissions,
            digest=key_digest(str(key_id)),
            display_prefix="gm_",
            expires_in_days=days,
        )
        assert by.actor_id is not None
        owner = self.account(by.actor_id)
        held = PERMISSIONS[owner.role]
        if Permission.EVERYTHING in held:
            held = frozenset(Permission)
        if not self.ask(command, by):
            return False
        assert set(permissions) - {Permission.EVERYTHING} <= held
        assert Permission.EVERYTHING not in permissions or owner.role in {Role.ADMIN, Role.SUPER_ADMIN}
        self.keys.append(key_id)
        self.held_on_issue[key_id] = held
        return True

    def person(self, number: int) -> Caller:
        """Somebody whose token is as old as can be: what it says of their role is not to be trusted."""
        return Caller(actor_id=self.people[number], role="super_admin")

    def program(self, which: int) -> Caller | None:
        if not self.keys:
            return None
        bearer = self.bearer(self.keys[which % len(self.keys)])
        return None if bearer is None else caller_by_key(bearer, Caller())

    def bearer(self, key_id: UUID) -> KeyBearer | None:
        key = self.key(key_id)
        try:
            return bearer_of(key, self.account(key.owner_id), self.clock())
        except DomainError:
            return None

    def account(self, account_id: UUID) -> Account:
        state: Account = self.folded(evolve_account, account_id)
        return state

    def key(self, key_id: UUID) -> ApiKey:
        state: ApiKey = self.folded(evolve_key, key_id)
        return state

    def folded(self, evolve: Any, stream_id: UUID) -> Any:
        """A state as the log tells it, folded once for each event that is new."""
        events = self.store.streams[stream_id]
        place = (stream_id, len(events))
        if place not in self.states:
            self.states[place] = fold(evolve, events, stream_id)
        return self.states[place]

    def new_session(self) -> NewSession:
        return NewSession(
            session_id=new_id(), refresh_jti_hash="ab" * 32, expires_at=self.clock() + timedelta(days=7)
        )


AuthorityLife.TestCase.settings = settings(max_examples=60, stateful_step_count=35, deadline=None)
TestAuthorityLife = AuthorityLife.TestCase
