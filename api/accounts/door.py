"""The door: the services by which people come in, go on and prove who they are, put together."""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from redis.asyncio import Redis

from application.accounts.directory import AccountsInLog
from application.accounts.links import Links
from application.accounts.login import LogInService, PhoneSignInService
from application.accounts.passwords import PasswordChangeService, PasswordResetService
from application.accounts.refreshing import RefreshService
from application.accounts.registration import RegistrationService
from application.accounts.verification import VerificationService
from application.shared.loop import CommandLoop
from domain.accounts.roles import AccountKind
from infrastructure.bootstrap import Machinery, derived_key
from infrastructure.event_store.postgres import PostgresEventStore
from infrastructure.mail.links import open_link_post
from infrastructure.one_time_codes import open_one_time_codes
from infrastructure.security.passwords import PasswordHasher
from infrastructure.settings import Settings


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """All that is done for people who are not, or not yet, let in, and for those who want to stay."""

    registration: RegistrationService
    log_in: LogInService
    phone_sign_in: PhoneSignInService
    refreshing: RefreshService
    verification: VerificationService
    password_resets: PasswordResetService
    password_changes: PasswordChangeService


class KeyedHash:
    """`IdentifierHash` and `DestinationHash`, each under a key of its own."""

    def __init__(self, settings: Settings, purpose: bytes) -> None:
        """`purpose` chooses the key: the same text has another hash for another purpose."""
        self._key = derived_key(settings, purpose)

    def __call__(self, text: str) -> str:
        """HMAC-SHA-256 in hex."""
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@asynccontextmanager
async def open_door(
    tools: Machinery, *, commands: CommandLoop, store: PostgresEventStore, redis: Redis | None
) -> AsyncIterator[Door]:
    """The door of one process. Without Redis there are no codes, without mail no links; the rest works."""
    settings, clock, new_id = tools.settings, tools.clock, tools.new_id
    session_lifetime = settings.tokens.refresh_lifetime
    must_verify = frozenset(
        AccountKind(kind.value) for kind in settings.accounts.email_verification_required_for
    )
    accounts = AccountsInLog(store)
    identifier_hash = KeyedHash(settings, b"identifiers")
    with PasswordHasher(
        pepper=settings.passwords.pepper, rounds=settings.passwords.bcrypt_rounds
    ) as passwords:
        async with (
            open_link_post(settings, clock=clock) as post,
            open_one_time_codes(
                settings,
                redis=redis,
                commands=commands,
                destination_hash=KeyedHash(settings, b"destinations of codes"),
                clock=clock,
                new_id=new_id,
            ) as codes,
        ):
            links = Links(post=post, random_bytes=os.urandom, clock=clock, new_id=new_id)
            yield Door(
                registration=RegistrationService(
                    passwords=passwords,
                    commands=commands,
                    clock=clock,
                    new_id=new_id,
                    session_lifetime=session_lifetime,
                    must_verify=must_verify,
                    links=links,
                    codes=codes,
                ),
                log_in=LogInService(
                    emails=accounts,
                    credentials=store,
                    passwords=passwords,
                    identifier_hash=identifier_hash,
                    commands=commands,
                    clock=clock,
                    new_id=new_id,
                    session_lifetime=session_lifetime,
                    must_verify=must_verify,
                ),
                phone_sign_in=PhoneSignInService(
                    accounts=accounts,
                    codes=codes,
                    identifier_hash=identifier_hash,
                    commands=commands,
                    clock=clock,
                    new_id=new_id,
                    session_lifetime=session_lifetime,
                    must_verify=must_verify,
                ),
                refreshing=RefreshService(
                    commands=commands,
                    clock=clock,
                    session_lifetime=session_lifetime,
                    grace_seconds=settings.tokens.refresh_reuse_grace_seconds,
                ),
                verification=VerificationService(
                    accounts=accounts,
                    credentials=store,
                    codes=codes,
                    links=links,
                    identifier_hash=identifier_hash,
                    commands=commands,
                ),
                password_resets=PasswordResetService(
                    accounts=accounts,
                    credentials=store,
                    passwords=passwords,
                    codes=codes,
                    links=links,
                    identifier_hash=identifier_hash,
                    commands=commands,
                    clock=clock,
                    random_bytes=os.urandom,
                ),
                password_changes=PasswordChangeService(
                    accounts=accounts, credentials=store, passwords=passwords, commands=commands
                ),
            )
