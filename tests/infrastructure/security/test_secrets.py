"""Secrets never show themselves by accident, and new ones are good enough for production."""

import copy
import pickle
import re
import traceback

import msgspec
import pytest

from infrastructure.security.secrets import Secret, fresh_secret, fresh_secrets, is_well_known
from infrastructure.settings import Settings

VALUE = "a-value-that-nobody-may-see"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    secret: Secret


class TestShowing:
    @pytest.mark.parametrize(
        "shown",
        [
            str(Secret(VALUE)),
            repr(Secret(VALUE)),
            f"{Secret(VALUE)}",
            f"{Secret(VALUE):>40}",
            f"{Secret(VALUE)!r}",
            "%s" % Secret(VALUE),  # noqa: UP031 -- the old way must not show it either
            repr([Secret(VALUE)]),
            repr(Holder(secret=Secret(VALUE))),
        ],
    )
    def test_a_secret_is_not_shown_however_it_is_printed(self, shown: str) -> None:
        assert VALUE not in shown
        assert "*****" in shown

    def test_a_secret_is_given_when_asked_for_by_name(self) -> None:
        assert Secret(VALUE).reveal() == VALUE

    def test_a_traceback_that_mentions_a_secret_does_not_show_it(self) -> None:
        with pytest.raises(ValueError, match="broken") as caught:
            raise ValueError("broken", Secret(VALUE))
        assert VALUE not in "".join(traceback.format_exception(caught.value))

    def test_a_secret_does_not_reach_a_message(self) -> None:
        with pytest.raises(TypeError):
            msgspec.json.encode(Holder(secret=Secret(VALUE)))

    def test_a_secret_does_not_reach_a_file(self) -> None:
        with pytest.raises(TypeError, match="not written"):
            pickle.dumps(Secret(VALUE))

    def test_a_copy_of_a_secret_is_the_secret(self) -> None:
        secret = Secret(VALUE)
        assert copy.copy(secret) is secret
        assert copy.deepcopy([secret])[0] is secret


class TestComparing:
    def test_equal_secrets_are_equal(self) -> None:
        assert Secret(VALUE) == Secret(VALUE)
        assert len({Secret(VALUE), Secret(VALUE)}) == 1

    def test_other_secrets_are_not(self) -> None:
        assert Secret(VALUE) != Secret(VALUE + "!")
        assert Secret("пароль") != Secret("пароли")

    def test_a_secret_is_not_equal_to_its_own_text(self) -> None:
        assert Secret(VALUE) != VALUE


class TestFreshSecrets:
    def test_each_is_256_random_bits_in_hexadecimal(self) -> None:
        assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in fresh_secrets().values())

    def test_no_two_are_alike(self) -> None:
        values = [*fresh_secrets().values(), *fresh_secrets().values()]
        assert len(set(values)) == len(values)

    def test_each_belongs_to_a_secret_that_settings_know(self) -> None:
        known = {variable.name for variable in Settings.variables() if variable.secret}
        assert set(fresh_secrets()) <= known


class TestWellKnownSecrets:
    @pytest.mark.parametrize(
        "value",
        [
            "ultramarket_jwt_secret",
            "Your-Super-Secret-JWT-Key-Change-In-Production",
            "postgres",
            "change_me_change_me_change_me_change_me",
            "a" * 64,
            "0123" * 16,
            "12345678901234567890123456789012",
        ],
    )
    def test_what_stands_in_tutorials_is_well_known(self, value: str) -> None:
        assert is_well_known(Secret(value))

    def test_what_is_random_is_not(self) -> None:
        assert not any(is_well_known(Secret(fresh_secret())) for _ in range(1000))
