"""A code is passed on, and never seen on the way."""

import copy
import pickle

import msgspec
import pytest

from domain.otp.code import OneTimeCode
from domain.otp.refusals import OtpInvalid

DIGITS = "481516"


class Holder(msgspec.Struct):
    code: OneTimeCode


class TestACode:
    def test_it_has_six_digits(self) -> None:
        assert OneTimeCode(DIGITS).reveal() == DIGITS

    @pytest.mark.parametrize(
        "text", ["", "48151", "4815162", "48151a", " 481516", "481516\n", "٤٨١٥١٦", "-48151"]
    )
    def test_anything_else_is_none(self, text: str) -> None:
        with pytest.raises(OtpInvalid) as refused:
            OneTimeCode(text)
        assert not text or text not in str(refused.value)

    def test_it_is_shown_nowhere(self) -> None:
        code = OneTimeCode(DIGITS)
        shown = [
            repr(code),
            str(code),
            f"{code}",
            f"{code:>20}",
            "%s %r" % (code, code),  # noqa: UP031
            repr(Holder(code)),
            repr([code]),
        ]
        assert not any(DIGITS in each for each in shown)

    def test_it_is_written_nowhere(self) -> None:
        code = OneTimeCode(DIGITS)
        for write in (msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError) as refused:
                write(Holder(code))
            assert DIGITS not in str(refused.value)

    def test_two_are_compared_by_their_digits(self) -> None:
        assert OneTimeCode(DIGITS) == OneTimeCode(DIGITS)
        assert hash(OneTimeCode(DIGITS)) == hash(OneTimeCode(DIGITS))
        assert OneTimeCode(DIGITS) != OneTimeCode("481517")
        assert OneTimeCode(DIGITS) != DIGITS
