"""Passwords: kept as bcrypt hashes of a keyed digest, checked without blocking the event loop.

bcrypt reads 72 bytes at most, and 36 Cyrillic letters already are 72. It is therefore given the base64
(64 characters, no NUL) of HMAC-SHA-384(pepper, password): a long password keeps its full strength, and a
stolen table of hashes is useless without the pepper, which is never stored beside it (OWASP Password
Storage Cheat Sheet; requirements ACC-03, ACC-04).
"""

import asyncio
import base64
import hmac
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

import bcrypt

from infrastructure.security.secrets import Secret

T = TypeVar("T")

_HASH: Final = re.compile(r"\$2b\$(?P<rounds>[0-9]{2})\$[./A-Za-z0-9]{53}")
_NICENESS: Final = 15
_DIGEST_LENGTH: Final = 31  # characters of a bcrypt hash after its salt


class PasswordHashUnreadable(Exception):
    """A stored password hash is not one that this module wrote: the credential store is damaged."""

    code = "PASSWORD_HASH_UNREADABLE"


class PasswordHasherBusy(Exception):
    """More passwords wait to be hashed than can be answered in time: an outage, to be tried again later."""

    code = "PASSWORD_HASHER_BUSY"


def hash_password(password: str, *, pepper: Secret, rounds: int) -> str:
    """A new salted hash; `rounds` is bcrypt's cost, the binary logarithm of the work (4 to 31)."""
    return bcrypt.hashpw(_digest(password, pepper), bcrypt.gensalt(rounds)).decode()


def verify_password(password: str, hashed: str, *, pepper: Secret) -> bool:
    """Whether the password is the one that was hashed; compared in constant time.

    Raises:
        PasswordHashUnreadable: `hashed` is not a hash of ours.
    """
    rounds_of(hashed)
    return bcrypt.checkpw(_digest(password, pepper), hashed.encode())


def needs_rehash(hashed: str, *, rounds: int) -> bool:
    """Whether the hash was made at a lower cost than is asked for now; to be answered at the next sign-in.

    Raises:
        PasswordHashUnreadable: `hashed` is not a hash of ours.
    """
    return rounds_of(hashed) < rounds


def rounds_of(hashed: str) -> int:
    """The cost at which a hash was made.

    Raises:
        PasswordHashUnreadable: `hashed` is not a hash of ours.
    """
    match = _HASH.fullmatch(hashed)
    if match is None:
        raise PasswordHashUnreadable("A stored password hash is not a bcrypt hash of ours.")
    return int(match["rounds"])


def dummy_hash(*, rounds: int) -> str:
    """A hash that no password has, as dear to check as a real one of that cost.

    It is checked when the account is unknown, so that the time of the answer does not tell.
    """
    return bcrypt.gensalt(rounds).decode() + "." * _DIGEST_LENGTH


class PasswordHasher:
    """Hashes and checks passwords in a few threads of its own.

    bcrypt gives the interpreter free while it works, so the event loop goes on and the threads use all
    cores but one. Both the threads and the number of callers who wait are bounded: a flood of sign-ins is
    refused early instead of being answered minutes late. The threads stand back behind whatever else wants a core:
    a sign-in may take a little longer, but nobody who buys waits for one.
    """

    def __init__(
        self, *, pepper: Secret, rounds: int, threads: int | None = None, waiting_maximum: int = 256
    ) -> None:
        """`threads` defaults to the number of cores but one; `waiting_maximum` counts callers served or waiting."""
        self._pepper = pepper
        self._rounds = rounds
        self._dummy = dummy_hash(rounds=rounds)
        self._waiting_maximum = waiting_maximum
        self._waiting = 0
        self._counting = threading.Lock()
        self._threads = ThreadPoolExecutor(
            threads or max(1, (os.cpu_count() or 1) - 1),
            thread_name_prefix="passwords",
            initializer=_stand_back,
        )

    async def hash(self, password: str) -> str:
        """A new salted hash at the cost of today.

        Raises:
            PasswordHasherBusy: too many callers wait already.
        """
        return await self._run(lambda: hash_password(password, pepper=self._pepper, rounds=self._rounds))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is the one that was hashed.

        `None` stands for an account that is unknown or has no password: always false, after as much
        work as a real check at the cost of today.

        Raises:
            PasswordHashUnreadable: `hashed` is not a hash of ours.
            PasswordHasherBusy: too many callers wait already.
        """
        stored = self._dummy if hashed is None else hashed
        matches = await self._run(lambda: verify_password(password, stored, pepper=self._pepper))
        return matches and hashed is not None

    def needs_rehash(self, hashed: str) -> bool:
        """Whether to hash the password anew, now that its owner has shown it (ACC-04)."""
        return needs_rehash(hashed, rounds=self._rounds)

    def close(self) -> None:
        """Let the running checks end, drop those that wait, and stop the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def _run(self, work: Callable[[], T]) -> T:
        with self._counting:
            if self._waiting >= self._waiting_maximum:
                raise PasswordHasherBusy("Too many passwords are being checked; try again shortly.")
            self._waiting += 1
        try:
            job = self._threads.submit(work)
        except BaseException:
            self._free_place()
            raise
        # A caller who goes away leaves a running job behind, so the place is free when the job ends.
        job.add_done_callback(self._free_place)
        return await asyncio.wrap_future(job)

    def _free_place(self, _job: object = None) -> None:
        with self._counting:
            self._waiting -= 1


def _stand_back() -> None:
    """Let others go first. Linux counts niceness by thread; elsewhere it would slow down the whole process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _digest(password: str, pepper: Secret) -> bytes:
    # NFKC: the same letters typed on another keyboard or system are the same password (OWASP).
    normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(pepper.reveal().encode(), normal, "sha384"))
