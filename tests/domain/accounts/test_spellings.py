"""Emails, phones, names and passwords: one spelling each, and what is refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts.email import EmailInvalid, normalise_email
from domain.accounts.name import NameInvalid, normalise_name
from domain.accounts.password import PasswordUnfit, check_password
from domain.accounts.phone import PhoneInvalid, normalise_phone
from domain.shared.errors import InvalidInput

PERSIAN = "نیلوفر\u200cزاده"


class TestEmails:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("a@b.c", "a@b.c"),
            ("  Nodira@Example.UZ\n", "nodira@example.uz"),
            ("first.last+shop@sub.example.co", "first.last+shop@sub.example.co"),
            ("o'neil@example.com", "o'neil@example.com"),
            ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
            ("1@1.uz", "1@1.uz"),
            ("l" * 64 + "@example.com", "l" * 64 + "@example.com"),
            ("a@" + ".".join(["d" * 63, "e" * 63, "f" * 63, "g" * 61]), None),
        ],
    )
    def test_an_address_has_one_spelling(self, typed: str, kept: str | None) -> None:
        assert normalise_email(typed) == (kept or typed)

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            "a@b.",
            "a@bc",
            "@b.cd",
            "nodira",
            "nodira@localhost",
            "no dira@example.uz",
            "nodira@exam ple.uz",
            "nodira@@example.uz",
            "a@b@example.uz",
            ".nodira@example.uz",
            "nodira.@example.uz",
            "no..dira@example.uz",
            "nodira@-example.uz",
            "nodira@example-.uz",
            "nodira@example..uz",
            "nodira@.example.uz",
            "nodira@10.0.0.1",
            "nodira@[10.0.0.1]",
            '"no dira"@example.uz',
            "nodira@example.uz\r\nBcc: all@example.uz",
            "nodira@example.uz\x00",
            "nodira\t@example.uz",
            "Nodira <nodira@example.uz>",
            "nodira,eve@example.uz",
            "нодира@example.uz",
            "nodira@exämple.uz",
            "\u212anodira@example.uz",  # the Kelvin sign, whose lower case is an ASCII k
            "no\u200bdira@example.uz",
            "\ud800@example.uz",
            "l" * 65 + "@example.com",
            "a@" + "d" * 64 + ".uz",
            "a@" + ".".join(["d" * 63, "e" * 63, "f" * 63, "g" * 62]),
        ],
    )
    def test_what_mail_cannot_reach_is_refused(self, typed: str) -> None:
        with pytest.raises(EmailInvalid) as refusal:
            normalise_email(typed)
        assert [problem.field for problem in refusal.value.problems] == ["email"]
        assert refusal.value.code == "VALIDATION_ERROR"
        if typed:
            assert typed not in str(refusal.value)

    @given(st.emails(domains=st.from_regex(r"[a-z]{2,9}\.[a-z]{2,4}", fullmatch=True)))
    def test_writing_in_capitals_is_no_other_address(self, address: str) -> None:
        try:
            kept = normalise_email(address)
        except EmailInvalid:
            return
        assert normalise_email(address.upper()) == kept == normalise_email(kept)

    def test_a_very_long_text_is_refused_at_once(self) -> None:
        with pytest.raises(EmailInvalid):
            normalise_email("a." * 500_000 + "@b.cd")


class TestPhones:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("+998901234567", "+998901234567"),
            (" +998 (90) 123-45-67 ", "+998901234567"),
            ("+1.415.555.2671", "+14155552671"),
            ("+1234567", "+1234567"),
            ("+123456789012345", "+123456789012345"),
        ],
    )
    def test_a_number_has_one_spelling(self, typed: str, kept: str) -> None:
        assert normalise_phone(typed) == kept

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            "+",
            "901234567",
            "998901234567",
            "00998901234567",
            "+0998901234567",
            "+123456",
            "+1234567890123456",
            "++998901234567",
            "+99890123456x",
            "+998901234567 ext 2",
            "+99890123456\u0667",  # an Arabic seven is a digit to Python
            "+998\n901234567",
            "+998901234567\x00",
            "+" + " " * 40 + "998901234567",
        ],
    )
    def test_what_cannot_be_dialled_from_anywhere_is_refused(self, typed: str) -> None:
        with pytest.raises(PhoneInvalid) as refusal:
            normalise_phone(typed)
        assert [problem.field for problem in refusal.value.problems] == ["phone"]


class TestNames:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            (" Нодира ", "Нодира"),
            ("O\u2018g\u2018iloy", "O\u2018g\u2018iloy"),
            ("李明", "李明"),
            ("Anne-Marie O'Neil 2nd", "Anne-Marie O'Neil 2nd"),
            ("Jose\u0301", "Jos\u00e9"),
            (PERSIAN, PERSIAN),
            ("x" * 100, "x" * 100),
        ],
    )
    def test_people_are_called_what_they_want(self, typed: str, kept: str) -> None:
        assert normalise_name(typed) == kept

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            " ",
            " N ",
            "x" * 101,
            "x" * 1_000_000,
            "No\x00dira",
            "No\ndira",
            "No\x1b[31mdira",
            "No\u2028dira",
            "No\u202edira",
            "No\u2066dira",
            "No\ud800dira",
            "\u200b\u200b\u200b",
            "--",
        ],
    )
    def test_what_nobody_can_be_called_is_refused(self, typed: str) -> None:
        with pytest.raises(NameInvalid):
            normalise_name(typed)

    def test_the_refusal_names_the_field_that_was_wrong(self) -> None:
        with pytest.raises(NameInvalid) as refusal:
            normalise_name("x", field="businessName")
        assert [problem.field for problem in refusal.value.problems] == ["businessName"]

    @given(st.text(max_size=130))
    def test_a_kept_name_is_kept_as_it_is_and_can_be_written_down(self, typed: str) -> None:
        try:
            kept = normalise_name(typed)
        except NameInvalid:
            return
        assert normalise_name(kept) == kept
        assert 2 <= len(kept) <= 100
        assert kept.encode()


class TestPasswords:
    @pytest.mark.parametrize("password", ["12345678", " " * 8, "п" * 255])
    def test_eight_to_255_characters_are_taken(self, password: str) -> None:
        check_password(password)

    @pytest.mark.parametrize("password", ["", "1234567", "sevenly" * 37])
    def test_others_are_refused_without_being_repeated(self, password: str) -> None:
        with pytest.raises(PasswordUnfit) as refusal:
            check_password(password)
        if password:
            assert password not in str(refusal.value)


@pytest.mark.parametrize("check", [normalise_email, normalise_phone, normalise_name])
@given(text=st.text(st.characters(), max_size=300))
def test_any_text_is_taken_or_refused_and_never_crashes(check: Callable[[str], str], text: str) -> None:
    try:
        kept = check(text)
    except InvalidInput:
        return
    assert check(kept) == kept
