"""A shop with all that concerns accounts: the real services, with bcrypt at its least cost, codes and links that are kept."""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from application.accounts import handlers as accounts
from application.accounts.commands import ChangeAccountRole
from application.accounts.directory import AccountsInLog
from application.accounts.links import Links
from application.accounts.login import LogInService, PhoneSignInService
from application.accounts.passwords import PasswordChangeService, PasswordResetService
from application.accounts.ports import LinkMail, LinkPurpose
from application.accounts.refreshing import RefreshService
from application.accounts.registration import RegistrationService
from application.accounts.results import Refreshed, Registered, SignedIn
from application.accounts.verification import VerificationService
from application.api_keys import handlers as api_keys
from application.api_keys.issuing import ApiKeyIssuer
from application.api_keys.using import KeyDoor
from application.audit import handlers as audit
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Command, Done
from application.shared.loop import CommandLoop
from domain.accounts.account import Account, evolve
from domain.accounts.roles import AccountKind, Role
from domain.accounts.session import Session, refresh_token_id
from domain.accounts.session import evolve as evolve_session
from domain.otp.events import OtpChannel, OtpPurpose
from domain.otp.refusals import OtpInvalid
from domain.shared.events import DomainEvent
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from infrastructure.security.secrets import Secret
from tests.support.commands import CLAIMS, Shop, shop
from tests.support.given import fold

ROUNDS = 4
LIFETIME = timedelta(days=7)
GRACE_SECONDS = 10
STRANGER = Caller(ip="192.0.2.7", user_agent="Browser/1")
PEPPER = Secret("the pepper of these tests, long enough")
PASSWORD = "correct horse battery staple"
EMAIL = "nodira@example.uz"
PHONE = "+998901234567"
HANDLERS = {**accounts.HANDLERS, **api_keys.HANDLERS, **audit.HANDLERS}
KINDS = (*accounts.KINDS, *api_keys.KINDS, *audit.KINDS)
MUST_VERIFY = frozenset({AccountKind.INFLUENCER, AccountKind.SALON})


def identifier_hash(text: str) -> str:
    return hmac.new(PEPPER.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()


class Sent(msgspec.Struct, frozen=True):
    """A code that was asked for; `expires_at` as the port has it."""

    expires_at: datetime


class KeptCodes:
    """One-time codes without Redis: the newest of each purpose and destination, good once. Nobody knows a decoy."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._numbers = count(100_000)
        self.codes: dict[tuple[OtpPurpose, str], str] = {}
        self.sent: list[tuple[OtpPurpose, OtpChannel, str, UUID | None, str]] = []
        self.pretended: list[tuple[OtpPurpose, str]] = []

    async def request(
        self,
        *,
        purpose: OtpPurpose,
        channel: OtpChannel,
        destination: str,
        caller: Caller,
        account_id: UUID | None = None,
        language: str = "en",
    ) -> Sent:
        self.codes[purpose, destination] = str(next(self._numbers))
        self.sent.append((purpose, channel, destination, account_id, language))
        return Sent(self._clock() + timedelta(minutes=5))

    async def pretend(
        self, *, purpose: OtpPurpose, channel: OtpChannel, destination: str, caller: Caller
    ) -> Sent:
        self.codes.pop((purpose, destination), None)
        self.pretended.append((purpose, destination))
        return Sent(self._clock() + timedelta(minutes=5))

    async def verify(self, *, purpose: OtpPurpose, destination: str, code: str, caller: Caller) -> None:
        if self.codes.get((purpose, destination)) != code:
            raise OtpInvalid("This is not the code.")
        del self.codes[purpose, destination]


class KeptLinks:
    """A post that keeps the mails."""

    def __init__(self) -> None:
        self.mails: list[LinkMail] = []

    def hand_over(self, mail: LinkMail) -> None:
        self.mails.append(mail)

    def newest(self, purpose: LinkPurpose) -> LinkMail:
        return next(mail for mail in reversed(self.mails) if mail.purpose is purpose)


class House:
    """Everything at the door of one shop, and short ways to what happens there often."""

    def __init__(self, market: Shop, hasher: PasswordHasher) -> None:
        self.market = market
        self.store = market.store
        self.clock = market.clock
        self.ask = market.ask
        self.codes = KeptCodes(market.clock)
        self.post = KeptLinks()
        self.accounts = AccountsInLog(market.store)
        links = Links(post=self.post, random_bytes=os.urandom, clock=market.clock, new_id=new_id)
        door: dict[str, Any] = {
            "commands": market.loop,
            "clock": market.clock,
            "new_id": new_id,
            "session_lifetime": LIFETIME,
            "must_verify": MUST_VERIFY,
        }
        self.registration = RegistrationService(passwords=hasher, links=links, codes=self.codes, **door)
        self.login = LogInService(
            emails=self.accounts,
            credentials=market.store,
            passwords=hasher,
            identifier_hash=identifier_hash,
            **door,
        )
        self.by_phone = PhoneSignInService(
            accounts=self.accounts, codes=self.codes, identifier_hash=identifier_hash, **door
        )
        self.refreshing = RefreshService(
            commands=market.loop,
            clock=market.clock,
            session_lifetime=LIFETIME,
            grace_seconds=GRACE_SECONDS,
        )
        mailed: dict[str, Any] = {
            "accounts": self.accounts,
            "credentials": market.store,
            "codes": self.codes,
            "links": links,
            "identifier_hash": identifier_hash,
            "commands": market.loop,
        }
        self.verification = VerificationService(**mailed)
        self.resets = PasswordResetService(
            passwords=hasher, random_bytes=os.urandom, clock=market.clock, **mailed
        )
        self.changes = PasswordChangeService(
            accounts=self.accounts, credentials=market.store, passwords=hasher, commands=market.loop
        )
        self.issuer = ApiKeyIssuer(commands=market.loop, new_id=new_id, random_bytes=os.urandom, prefix="gm_")
        self.key_door = KeyDoor(
            store=market.store, credentials=market.store, clock=market.clock, prefix="gm_"
        )

    # --- what happens often --------------------------------------------------------------------------------

    async def register(
        self, email: str = EMAIL, kind: AccountKind = AccountKind.CUSTOMER, **more: Any
    ) -> Done[Registered]:
        terms = kind in {AccountKind.INFLUENCER, AccountKind.SALON}
        fields: dict[str, Any] = {
            "kind": kind,
            "email": email,
            "password": PASSWORD,
            "name": "Nodira",
            "caller": STRANGER,
            "terms_accepted": terms,
        }
        return await self.registration.register(**(fields | more))

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> Done[SignedIn]:
        return await self.login.log_in(email=email, password=password, caller=STRANGER)

    async def owner(self, email: str = EMAIL, kind: AccountKind = AccountKind.CUSTOMER) -> Caller:
        """Somebody who has just registered, in their first session."""
        done = (await self.register(email, kind)).result
        return Caller(actor_id=done.account_id, role=done.role.value, session_id=done.session_id)

    async def chief(self, email: str = "root@example.uz") -> Caller:
        """A super admin; the first one is made by the house, any other by the first."""
        done = await self.registration.bootstrap_super_admin(email=email, password=PASSWORD)
        return Caller(actor_id=done.result.account_id, role="super_admin")

    async def admin(self, email: str = "admin@example.uz") -> Caller:
        """An admin, whom the super admin made one."""
        chief = await self.chief()
        account_id = (await self.register(email)).result.account_id
        await self.ask(ChangeAccountRole(account_id=account_id, role=Role.ADMIN), chief)
        return Caller(actor_id=account_id, role="admin")

    async def refresh(
        self, session: SignedIn | Registered | Caller, number: int, caller: Caller = STRANGER
    ) -> Done[Refreshed]:
        """Prolong a session by its refresh token of this number."""
        account_id = session.actor_id if isinstance(session, Caller) else session.account_id
        assert account_id is not None
        assert session.session_id is not None
        return await self.refreshing.refresh(
            account_id=account_id,
            session_id=session.session_id,
            token_id=refresh_token_id(session.session_id, number),
            caller=caller,
        )

    async def events_of(self, asked: Any) -> list[DomainEvent]:
        """The facts that something adds to the log."""
        before = len(self.store.log)
        await asked
        return [new.event for new in self.store.log[before:]]

    async def events_of_command(self, command: Command, by: Caller = SYSTEM) -> list[DomainEvent]:
        return await self.events_of(self.ask(command, by))

    def account(self, account_id: UUID | None) -> Account:
        """An account as the log tells it."""
        assert account_id is not None
        state: Account = fold(evolve, self.store.streams[account_id], account_id)
        return state

    def session(self, session_id: UUID | None) -> Session:
        """A session as the log tells it."""
        assert session_id is not None
        state: Session = fold(evolve_session, self.store.streams[session_id], session_id)
        return state

    def open_sessions(self, account_id: UUID | None) -> set[UUID]:
        """Every session of an account that is not over, wherever the account keeps it in mind."""
        found = set()
        for stream_id, events in self.store.streams.items():
            if type(events[0]).__name__ == "SessionOpened":
                session = self.session(stream_id)
                if session.account_id == account_id and not session.is_over(self.clock()):
                    found.add(stream_id)
        return found

    def secrets_kept(self, owner_id: UUID | None) -> set[str]:
        """Under which names the credential store has something of an owner's."""
        return {name for kept_for, name in self.store.credentials if kept_for == owner_id}


def make_hasher() -> Iterator[PasswordHasher]:
    """For a fixture."""
    with PasswordHasher(pepper=PEPPER, rounds=ROUNDS, threads=1) as running:
        yield running


@asynccontextmanager
async def another_process(house: House, hasher: PasswordHasher) -> AsyncIterator[House]:
    """The same shop, as one more process has it open."""
    loop = CommandLoop(
        house.store, handlers=HANDLERS, kinds=[*KINDS, CLAIMS], clock=house.clock, new_id=new_id
    )
    async with loop:
        yield House(Shop(loop, house.store, house.clock), hasher)


@asynccontextmanager
async def open_house(hasher: PasswordHasher) -> AsyncIterator[House]:
    """A running shop."""
    async with shop(HANDLERS, KINDS) as market:
        yield House(market, hasher)
