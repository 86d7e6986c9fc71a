"""Sealed data: AES-256-GCM with a fresh nonce each time, bound to its owner (requirements SEC-17, ES-17).

A seal is the text `<key id>:<nonce hex>:<tag hex>:<ciphertext hex>`, in lower case. The key id says which
key opens it, so that keys rotate without touching what the old ones sealed; the associated data says whose
it is, so that a seal moved to another owner does not open.

The nonce is 96 random bits, as NIST SP 800-38D §8.2.2 asks; one key may make 2**32 seals, which a key of
one person never reaches.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infrastructure.security.secrets import Secret

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16

_SEAL: Final = re.compile(r"([0-9a-f]{8}):([0-9a-f]{24}):([0-9a-f]{32}):((?:[0-9a-f]{2})*)")
_WRAPPED_KEY: Final = b"daftar data key of "


class SealBroken(Exception):
    """Sealed data do not open: they were changed, belong to another owner, or need a key that is not here."""

    code = "SEAL_BROKEN"


class SealingKey:
    """One AES-256 key, made ready once; what it seals carries its id."""

    __slots__ = ("_cipher", "key_id")

    def __init__(self, key: bytes) -> None:
        """`key` is 32 random bytes; its id is the first 8 hexadecimal characters of its SHA-256.

        Raises:
            ValueError: it is not 32 bytes long.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"An AES-256 key has {KEY_BYTES} bytes.")
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(key).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"SealingKey({self.key_id})"

    def seal(self, plaintext: bytes, associated_data: bytes) -> str:
        """Encrypt and authenticate; `associated_data` is authenticated too, and needed again to open."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plaintext, associated_data)
        return f"{self.key_id}:{nonce.hex()}:{sealed[-TAG_BYTES:].hex()}:{sealed[:-TAG_BYTES].hex()}"

    def open(self, sealed: str, associated_data: bytes) -> bytes:
        """The plaintext, exactly as it was sealed under these associated data.

        Raises:
            SealBroken: anything differs: a bit of the text, the owner, the key.
        """
        key_id, nonce, tag, ciphertext = _parts(sealed)
        if key_id != self.key_id:
            raise SealBroken(f"The data are sealed with the key {key_id}, not with {self.key_id}.")
        try:
            return self._cipher.decrypt(nonce, ciphertext + tag, associated_data)
        except InvalidTag as error:
            raise SealBroken("The sealed data were changed or belong to another owner.") from error


def seal(key: bytes, plaintext: bytes, associated_data: bytes) -> str:
    """Seal once with a raw 32-byte key; `SealingKey` is quicker for many.

    Raises:
        ValueError: the key is not 32 bytes long.
    """
    return SealingKey(key).seal(plaintext, associated_data)


def open_sealed(key: bytes, sealed: str, associated_data: bytes) -> bytes:
    """Open once with a raw 32-byte key.

    Raises:
        SealBroken: the seal does not open with this key for this owner.
        ValueError: the key is not 32 bytes long.
    """
    return SealingKey(key).open(sealed, associated_data)


def key_id_of(sealed: str) -> str:
    """Which key opens this seal.

    Raises:
        SealBroken: it is not a seal.
    """
    return _parts(sealed)[0]


def fresh_data_key() -> bytes:
    """A new key for one person's data: 32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


class KeyWrapper:
    """Seals the data keys of people with the key of the house (`ENCRYPTION_KEY`).

    The owner's id is the associated data: a wrapped key copied into another person's row does not open.
    New keys are wrapped with the current key; those wrapped with a previous one still open, until
    `rewrap` has moved them all and the previous one can go.
    """

    def __init__(self, current: Secret, previous: Iterable[Secret] = ()) -> None:
        """All keys are 64 hexadecimal characters.

        Raises:
            ValueError: one of them is not.
        """
        self._current = _house_key(current)
        older = (_house_key(each) for each in previous)
        self._by_id = {key.key_id: key for key in (*older, self._current)}

    def __repr__(self) -> str:
        return f"KeyWrapper(current={self._current.key_id}, known={sorted(self._by_id)})"

    @property
    def current_key_id(self) -> str:
        """The id of the key that new things are sealed by."""
        return self._current.key_id

    def knows(self, key_id: str) -> bool:
        """Whether what was sealed by this key can be opened."""
        return key_id in self._by_id

    def wrap(self, data_key: bytes, owner_id: UUID) -> str:
        """Seal one person's 32-byte data key.

        Raises:
            ValueError: it is not 32 bytes long.
        """
        if len(data_key) != KEY_BYTES:
            raise ValueError(f"A data key has {KEY_BYTES} bytes.")
        return self._current.seal(data_key, _WRAPPED_KEY + owner_id.bytes)

    def unwrap(self, wrapped: str, owner_id: UUID) -> bytes:
        """One person's data key.

        Raises:
            SealBroken: it was changed, is another owner's, or was wrapped with a key that is not here.
        """
        key_id = key_id_of(wrapped)
        key = self._by_id.get(key_id)
        if key is None:
            raise SealBroken(f"A data key is wrapped with the key {key_id}, which is not configured.")
        data_key = key.open(wrapped, _WRAPPED_KEY + owner_id.bytes)
        if len(data_key) != KEY_BYTES:
            raise SealBroken("A wrapped data key has the wrong length.")
        return data_key

    def seal(self, plaintext: bytes, associated_data: bytes) -> str:
        """Seal any record of the house (a kept answer) with the current key."""
        return self._current.seal(plaintext, associated_data)

    def open(self, sealed: str, associated_data: bytes) -> bytes:
        """Open what `seal` made, with the current key or a previous one.

        Raises:
            SealBroken: as `unwrap`.
        """
        key_id = key_id_of(sealed)
        key = self._by_id.get(key_id)
        if key is None:
            raise SealBroken(f"A record is sealed with the key {key_id}, which is not configured.")
        return key.open(sealed, associated_data)

    def needs_rewrap(self, wrapped: str) -> bool:
        """Whether it was wrapped with another key than the current one.

        Raises:
            SealBroken: it is not a wrapped key.
        """
        return key_id_of(wrapped) != self._current.key_id

    def rewrap(self, wrapped: str, owner_id: UUID) -> str:
        """The same data key under the current key; what the data key has sealed stays as it is.

        Raises:
            SealBroken: as `unwrap`.
        """
        return self.wrap(self.unwrap(wrapped, owner_id), owner_id)


def _house_key(key: Secret) -> SealingKey:
    if re.fullmatch(r"[0-9a-fA-F]{64}", key.reveal()) is None:
        raise ValueError("An encryption key has 64 hexadecimal characters.")
    return SealingKey(bytes.fromhex(key.reveal()))


def _parts(sealed: str) -> tuple[str, bytes, bytes, bytes]:
    # One spelling only: `bytes.fromhex` alone would also take capitals and spaces.
    match = _SEAL.fullmatch(sealed)
    if match is None:
        raise SealBroken("The text is not sealed data.")
    key_id, nonce, tag, ciphertext = match.groups()
    return key_id, bytes.fromhex(nonce), bytes.fromhex(tag), bytes.fromhex(ciphertext)
