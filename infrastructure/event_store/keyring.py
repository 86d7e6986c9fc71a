"""The data keys of people: one each, kept wrapped in Postgres and open in memory (requirements ES-17, ADR 0005)."""

import os
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.shared.bounded import forget_oldest
from infrastructure.security.cipher import KeyWrapper

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32


class DataKeyBroken(Exception):
    """Sealed data does not open with the key it names: it was tampered with, moved, or the key is not its own."""


class DataKey:
    """One person's open key. The sealed form is SEC-17's, led by the person's id: `subject:iv:tag:ciphertext` in hex."""

    __slots__ = ("_cipher", "_prefix", "subject_id")

    def __init__(self, subject_id: UUID, key: bytes) -> None:
        """`key` is 32 bytes."""
        self.subject_id = subject_id
        self._cipher = AESGCM(key)
        self._prefix = subject_id.hex

    def seal(self, plain: bytes, bound_to: bytes) -> str:
        """Encrypt under a fresh random nonce, bound to the place that it will stand in."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plain, self.subject_id.bytes + bound_to)
        return f"{self._prefix}:{nonce.hex()}:{sealed[-TAG_BYTES:].hex()}:{sealed[:-TAG_BYTES].hex()}"

    def open(self, sealed: str, bound_to: bytes) -> bytes:
        """Decrypt what `seal` made for the same place.

        Raises:
            DataKeyBroken: it was not made so.
        """
        try:
            prefix, nonce, tag, text = sealed.split(":")
            if prefix != self._prefix:
                raise DataKeyBroken("Sealed data names another person.")
            return self._cipher.decrypt(
                bytes.fromhex(nonce),
                bytes.fromhex(text) + bytes.fromhex(tag),
                self.subject_id.bytes + bound_to,
            )
        except (ValueError, InvalidTag) as error:
            raise DataKeyBroken(f"Data sealed for {self.subject_id} does not open.") from error

    def __repr__(self) -> str:
        """Without the key."""
        return f"DataKey({self.subject_id})"


class Keyring:
    """Open keys in memory, bounded. `None` stands for a key that was destroyed."""

    def __init__(self, wrapper: KeyWrapper, *, capacity: int = 200_000) -> None:
        """`wrapper` opens what the database holds; `capacity` counts people."""
        self._wrapper = wrapper
        self._capacity = capacity
        self._keys: dict[UUID, DataKey | None] = {}

    def knows(self, subject_id: UUID) -> bool:
        """Whether the person's key, or its destruction, is in memory."""
        return subject_id in self._keys

    def get(self, subject_id: UUID) -> DataKey | None:
        """The key in memory; `None` when it was destroyed or is not known."""
        return self._keys.get(subject_id)

    def missing(self, subjects: Iterable[UUID]) -> list[UUID]:
        """Those that must be loaded before they can be asked for."""
        return [subject for subject in set(subjects) if subject not in self._keys]

    def create(self, subject_id: UUID) -> tuple[DataKey, str]:
        """A new key and its wrapped form. It is not remembered: `remember` it once it is stored."""
        key = os.urandom(KEY_BYTES)
        return DataKey(subject_id, key), self._wrapper.wrap(key, subject_id)

    def remember(self, key: DataKey) -> None:
        """Keep a stored key open."""
        self._keys[key.subject_id] = key
        self._trim()

    def forget(self, subject_id: UUID) -> None:
        """Drop a key from memory, so that it is looked up anew."""
        self._keys.pop(subject_id, None)

    def destroyed(self, subject_id: UUID) -> None:
        """The person was erased: their key opens nothing any more, here either, and no other takes its place."""
        self._keys[subject_id] = None
        self._trim()

    def unwrapped(self, rows: Iterable[tuple[UUID, str | None]]) -> None:
        """Take over rows of `data_keys`; a row without a wrapped key is a destroyed one."""
        for subject_id, wrapped in rows:
            if wrapped is None:
                self._keys[subject_id] = None
            elif self._keys.get(subject_id, subject_id) is not None:
                # What was read before a key was destroyed may arrive after it: gone is gone.
                self._keys[subject_id] = DataKey(subject_id, self._wrapper.unwrap(wrapped, subject_id))
        self._trim()

    async def load(self, connection: psycopg.AsyncConnection[Any], subjects: Iterable[UUID]) -> None:
        """Fetch the keys of these people that exist."""
        missing = self.missing(subjects)
        if missing:
            cursor = await connection.execute(
                "SELECT subject_id, wrapped FROM data_keys WHERE subject_id = ANY(%s)", (missing,)
            )
            self.unwrapped(await cursor.fetchall())

    def load_now(self, connection: psycopg.Connection[Any], subjects: Iterable[UUID]) -> None:
        """As `load`, for synchronous readers; closes the keys of those, too, whom other processes have erased meanwhile."""
        wanted = list(set(subjects))
        if wanted:
            cursor = connection.execute(
                """
                SELECT subject_id, wrapped
                FROM data_keys
                WHERE subject_id = ANY(%s) AND (wrapped IS NULL OR subject_id = ANY(%s))
                """,
                (wanted, self.missing(wanted)),
            )
            self.unwrapped(cursor.fetchall())

    def forget_all(self) -> None:
        """Drop all keys from memory, so that they are looked up anew: somebody may have been erased."""
        self._keys.clear()

    def _trim(self) -> None:
        forget_oldest(self._keys, self._capacity)
