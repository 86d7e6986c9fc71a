"""Passwords: kept as bcrypt hashes of a keyed digest, checked by processes of their own.

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
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import bcrypt

from infrastructure.security.bcrypt_processes import BcryptProcesses, BcryptUnavailable
from infrastructure.security.secrets import Secret

T = TypeVar("T")

_HASH: Final = re.compile(r"\$2b\$(?P<rounds>[0-9]{2})\$[./A-Za-z0-9]{53}")
_DIGEST_LENGTH: Final = 31  # characters of a bcrypt hash after its salt

END_SECONDS: Final = 5.0
"""How long the last checks may take when the process ends; at cost 12 one takes 0.3 s."""


class PasswordHashUnreadable(Exception):
    """A stored password hash is not one that this module wrote: the credential store is damaged."""

    code = "PASSWORD_HASH_UNREADABLE"


class PasswordHasherBusy(Exception):
    """Passwords cannot be hashed in time, as too many wait or nobody computes: an outage, to be tried again later."""

    code = "PASSWORD_HASHER_BUSY"


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


def keyed_digest(password: str, pepper: Secret) -> bytes:
    """What bcrypt is given for a password: 64 characters of base64."""
    # NFKC: the same letters typed on another keyboard or system are the same password (OWASP).
    normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(pepper.reveal().encode(), normal, "sha384"))


class PasswordHasher:
    """Hashes and checks passwords beside the event loop, in processes that stand back: nobody who buys waits for a sign-in.

    They use all cores but one. Both they and the number of callers who wait are bounded: a flood of sign-ins is refused
    early instead of being answered minutes late.
    """

    def __init__(
        self, *, pepper: Secret, rounds: int, threads: int | None = None, waiting_maximum: int = 256
    ) -> None:
        """`threads`, how many are computed at once, defaults to the number of cores but one.

        `waiting_maximum` counts callers served or waiting.
        """
        self._pepper = pepper
        self._rounds = rounds
        self._dummy = dummy_hash(rounds=rounds)
        self._waiting_maximum = waiting_maximum
        self._counting = threading.Lock()
        self._jobs: set[Future[Any]] = set()
        count = threads or max(1, (os.cpu_count() or 1) - 1)
        self._all = [BcryptProcesses() for _ in range(count)]
        self._free = list(self._all)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        """A new salted hash at the cost of today.

        Raises:
            PasswordHasherBusy: too many callers wait already, or nobody computes.
        """
        digest = keyed_digest(password, self._pepper)
        return await self._run(lambda processes: processes.hash(digest, rounds=self._rounds))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is the one that was hashed.

        `None` stands for an account that is unknown or has no password: always false, after as much
        work as a real check at the cost of today.

        Raises:
            PasswordHashUnreadable: `hashed` is not a hash of ours.
            PasswordHasherBusy: too many callers wait already, or nobody computes.
        """
        stored = self._dummy if hashed is None else hashed
        digest, rounds = keyed_digest(password, self._pepper), rounds_of(stored)
        matches = await self._run(lambda processes: processes.check(digest, stored, rounds=rounds))
        return matches and hashed is not None

    def needs_rehash(self, hashed: str) -> bool:
        """Whether to hash the password anew, now that its owner has shown it (ACC-04)."""
        return needs_rehash(hashed, rounds=self._rounds)

    def close(self) -> None:
        """Let the running checks end, or end those that hang, drop those that wait, and stop the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._counting:
            running = tuple(self._jobs)
        if wait(running, END_SECONDS).not_done:
            for processes in self._all:
                processes.abandon()
        self._threads.shutdown(wait=True)
        for processes in self._all:
            processes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def _run(self, work: Callable[[BcryptProcesses], T]) -> T:
        with self._counting:
            if len(self._jobs) >= self._waiting_maximum:
                raise PasswordHasherBusy("Too many passwords are being checked; try again shortly.")
            job = self._threads.submit(self._with_processes, work)
            self._jobs.add(job)
        # A caller who goes away leaves a running job behind, so the place is free when the job ends.
        job.add_done_callback(self._free_place)
        try:
            return await asyncio.wrap_future(job)
        except BcryptUnavailable as error:
            raise PasswordHasherBusy("Passwords cannot be checked now; try again shortly.") from error

    def _with_processes(self, work: Callable[[BcryptProcesses], T]) -> T:
        """In one of the threads, of which there are as many as there are pairs of processes."""
        processes = self._free.pop()
        try:
            return work(processes)
        finally:
            self._free.append(processes)

    def _free_place(self, job: Future[Any]) -> None:
        with self._counting:
            self._jobs.discard(job)
