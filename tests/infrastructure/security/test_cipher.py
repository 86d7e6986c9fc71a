"""Sealed data open for their owner only, and only as they were sealed."""

import re
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.security.cipher import (
    KeyWrapper,
    SealBroken,
    SealingKey,
    fresh_data_key,
    key_id_of,
    open_sealed,
    seal,
)
from infrastructure.security.secrets import Secret, fresh_secret

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
OWNER = UUID("01930000-0000-7000-8000-000000000001")
STRANGER = UUID("01930000-0000-7000-8000-000000000002")

keys = st.binary(min_size=32, max_size=32)


class TestSealing:
    @given(keys, st.binary(max_size=2000), st.binary(max_size=100))
    def test_whatever_is_sealed_opens_again(self, key: bytes, plaintext: bytes, owner: bytes) -> None:
        assert open_sealed(key, seal(key, plaintext, owner), owner) == plaintext

    def test_a_seal_is_key_id_nonce_tag_and_ciphertext_in_hexadecimal(self) -> None:
        sealed = seal(KEY, b"+998901234567", OWNER.bytes)
        assert re.fullmatch(r"[0-9a-f]{8}:[0-9a-f]{24}:[0-9a-f]{32}:[0-9a-f]{26}", sealed)

    def test_a_seal_is_plain_aes_256_gcm(self) -> None:
        _, nonce, tag, text = (bytes.fromhex(part) for part in seal(KEY, b"hello", b"owner").split(":"))
        assert AESGCM(KEY).decrypt(nonce, text + tag, b"owner") == b"hello"

    def test_the_same_text_never_looks_the_same_twice(self) -> None:
        key = SealingKey(KEY)
        seals = {key.seal(b"same", b"owner") for _ in range(200)}
        assert len({sealed.split(":")[1] for sealed in seals}) == 200

    def test_nothing_at_all_can_be_sealed(self) -> None:
        assert open_sealed(KEY, seal(KEY, b"", b"owner"), b"owner") == b""

    @pytest.mark.parametrize("length", [0, 16, 31, 33])
    def test_a_key_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            SealingKey(b"k" * length)

    def test_a_key_does_not_show_itself(self) -> None:
        assert KEY.hex() not in repr(SealingKey(KEY))
        assert repr(KEY) not in repr(SealingKey(KEY))


class TestTampering:
    @given(st.binary(min_size=1, max_size=50), st.data())
    def test_a_seal_with_any_character_changed_does_not_open(
        self, plaintext: bytes, data: st.DataObject
    ) -> None:
        sealed = seal(KEY, plaintext, b"owner")
        place = data.draw(st.integers(0, len(sealed) - 1))
        other = data.draw(st.sampled_from("0123456789abcdefABCDEF: g"))
        if other == sealed[place]:
            other = "x"
        with pytest.raises(SealBroken):
            open_sealed(KEY, sealed[:place] + other + sealed[place + 1 :], b"owner")

    @given(st.text(max_size=200))
    def test_any_other_text_does_not_open(self, text: str) -> None:
        with pytest.raises(SealBroken):
            open_sealed(KEY, text, b"owner")

    def test_a_seal_that_was_cut_does_not_open(self) -> None:
        sealed = seal(KEY, b"hello", b"owner")
        for length in range(len(sealed)):
            with pytest.raises(SealBroken):
                open_sealed(KEY, sealed[:length], b"owner")

    def test_a_seal_spelt_in_capitals_does_not_open(self) -> None:
        sealed = seal(KEY, b"\xab\xcd\xef" * 10, b"owner")
        assert sealed.upper() != sealed
        with pytest.raises(SealBroken):
            open_sealed(KEY, sealed.upper(), b"owner")

    def test_a_seal_moved_to_another_owner_does_not_open(self) -> None:
        with pytest.raises(SealBroken):
            open_sealed(KEY, seal(KEY, b"hello", OWNER.bytes), STRANGER.bytes)

    def test_a_seal_does_not_open_with_another_key(self) -> None:
        with pytest.raises(SealBroken):
            open_sealed(OTHER_KEY, seal(KEY, b"hello", b"owner"), b"owner")

    def test_a_seal_renamed_to_another_key_does_not_open_with_it(self) -> None:
        sealed = seal(KEY, b"hello", b"owner")
        renamed = SealingKey(OTHER_KEY).key_id + sealed[8:]
        with pytest.raises(SealBroken):
            open_sealed(OTHER_KEY, renamed, b"owner")


class TestDataKeys:
    current = Secret(fresh_secret())
    earlier = Secret(fresh_secret())

    def test_the_key_of_a_person_is_wrapped_and_unwrapped(self) -> None:
        wrapper = KeyWrapper(self.current)
        data_key = fresh_data_key()
        wrapped = wrapper.wrap(data_key, OWNER)
        assert data_key.hex() not in wrapped
        assert wrapper.unwrap(wrapped, OWNER) == data_key

    def test_it_does_not_open_for_another_person(self) -> None:
        wrapper = KeyWrapper(self.current)
        with pytest.raises(SealBroken):
            wrapper.unwrap(wrapper.wrap(fresh_data_key(), OWNER), STRANGER)

    def test_after_the_house_key_changed_old_ones_still_open(self) -> None:
        data_key = fresh_data_key()
        wrapped = KeyWrapper(self.earlier).wrap(data_key, OWNER)
        assert KeyWrapper(self.current, [self.earlier]).unwrap(wrapped, OWNER) == data_key

    def test_what_is_wrapped_now_carries_the_current_key(self) -> None:
        wrapped = KeyWrapper(self.current, [self.earlier]).wrap(fresh_data_key(), OWNER)
        assert KeyWrapper(self.current).unwrap(wrapped, OWNER)
        with pytest.raises(SealBroken, match="not configured"):
            KeyWrapper(self.earlier).unwrap(wrapped, OWNER)

    def test_wrapping_anew_lets_the_old_key_go(self) -> None:
        data_key = fresh_data_key()
        old = KeyWrapper(self.earlier).wrap(data_key, OWNER)
        both = KeyWrapper(self.current, [self.earlier])
        assert both.needs_rewrap(old)
        new = both.rewrap(old, OWNER)
        assert not both.needs_rewrap(new)
        assert KeyWrapper(self.current).unwrap(new, OWNER) == data_key

    def test_the_key_id_is_the_beginning_of_the_keys_sha_256(self) -> None:
        wrapped = KeyWrapper(Secret("00" * 32)).wrap(fresh_data_key(), OWNER)
        assert key_id_of(wrapped) == "66687aad"  # sha256 of 32 zero bytes: 66687aadf862bd77...

    def test_a_data_key_of_another_length_is_refused(self) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            KeyWrapper(self.current).wrap(b"short", OWNER)

    @pytest.mark.parametrize("key", ["", "00" * 31, "00" * 33, "zz" * 32, "00 " * 21 + "0"])
    def test_a_house_key_that_is_not_64_hexadecimal_characters_is_refused(self, key: str) -> None:
        with pytest.raises(ValueError, match="64 hexadecimal"):
            KeyWrapper(Secret(key))

    def test_a_wrapper_does_not_show_its_keys(self) -> None:
        shown = repr(KeyWrapper(self.current, [self.earlier]))
        assert self.current.reveal() not in shown
        assert self.earlier.reveal() not in shown
