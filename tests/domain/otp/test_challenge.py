"""What the log decides about codes: each is used once, in its time, whatever the memory of codes says."""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from domain.otp.challenge import OtpChallenge, evolve, otp_challenge_id
from domain.otp.events import (
    OtpChannel,
    OtpFailed,
    OtpLocked,
    OtpPurpose,
    OtpRequested,
    OtpVerified,
)
from domain.otp.masking import masked
from domain.otp.refusals import OtpExpired
from tests.support.given import given

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
ACCOUNT = UUID("01890000-0000-7000-8000-0000000000a1")

requested = OtpRequested(
    purpose=OtpPurpose.LOGIN,
    channel=OtpChannel.SMS,
    destination_masked="+998*******67",
    expires_at=LATER,
    account_id=ACCOUNT,
)
again = OtpRequested(
    purpose=OtpPurpose.LOGIN,
    channel=OtpChannel.SMS,
    destination_masked="+998*******67",
    expires_at=LATER + timedelta(minutes=1),
)
failed = OtpFailed(attempts=1)
locked = OtpLocked(attempts=3)
verified = OtpVerified(purpose=OtpPurpose.LOGIN)

given_codes = partial(given, evolve)
verify = partial(OtpChallenge.verify, purpose=OtpPurpose.LOGIN, at=NOON)


class TestUsingACode:
    def test_one_that_was_asked_for_is_used(self) -> None:
        given_codes(requested).when(verify).then(verified)

    def test_wrong_guesses_before_do_not_matter(self) -> None:
        given_codes(requested, failed).when(verify).then(verified)

    def test_one_is_used_once(self) -> None:
        given_codes(requested, verified).when(verify).refused(OtpExpired)

    def test_one_that_was_locked_is_over(self) -> None:
        given_codes(requested, failed, locked).when(verify).refused(OtpExpired)

    def test_one_is_good_until_its_end_and_not_at_it(self) -> None:
        given_codes(requested).when(verify, at=LATER - timedelta(microseconds=1)).then(verified)
        given_codes(requested).when(verify, at=LATER).refused(OtpExpired)

    def test_after_one_was_used_the_next_can_be(self) -> None:
        given_codes(requested, verified, again).when(verify, at=LATER).then(verified)

    def test_one_that_nobody_asked_for_is_none(self) -> None:
        given_codes(failed).when(verify).refused(OtpExpired)


class TestTheStream:
    def test_it_is_that_of_purpose_destination_and_day(self) -> None:
        ids = {
            otp_challenge_id(purpose, destination, at)
            for purpose in OtpPurpose
            for destination in ("a", "b")
            for at in (NOON, NOON + timedelta(hours=12))
        }
        assert len(ids) == 12
        assert otp_challenge_id(OtpPurpose.LOGIN, "a", NOON) == otp_challenge_id(
            OtpPurpose.LOGIN, "a", NOON + timedelta(hours=11)
        )

    def test_it_is_about_no_person(self) -> None:
        assert given_codes(requested).state.subject_id is None


class TestMasking:
    @pytest.mark.parametrize(
        ("destination", "shown"),
        [
            ("+998901234567", "+998*******67"),
            ("+1234567", "+123****67"),
            ("nodira@example.uz", "n***@e***.uz"),
            ("n@shop.co.uk", "n***@s***.uk"),
        ],
    )
    def test_a_destination_is_recognised_and_not_told(self, destination: str, shown: str) -> None:
        assert masked(destination) == shown
