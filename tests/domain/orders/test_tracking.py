"""Customers are sent to real tracking pages only (requirements SHIP-01)."""

import pytest

from domain.orders.tracking import Tracking, TrackingInvalid


@pytest.mark.parametrize(
    "url",
    [
        "https://track.example.com/?n=1",
        "https://пример.example/1",
        "https://t.example:8443/a#b",
        "https://[::1]/",
    ],
)
def test_an_https_address_is_taken(url: str) -> None:
    Tracking(url=url).check()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://track.example.com/",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@evil.example/",
        "https://evil.example\\@good.example/",
        "https://a b/",
        "https://a.example/\n",
        "https://a.example:99999/",
        "https://[::1",
        "https://a.example/" + "x" * 500,
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(TrackingInvalid) as caught:
        Tracking(url=url).check()
    assert [problem.field for problem in caught.value.problems] == ["trackingUrl"]


@pytest.mark.parametrize("number", ["", "  ", "a\nb", "x" * 101])
def test_a_tracking_number_can_be_read_aloud(number: str) -> None:
    with pytest.raises(TrackingInvalid) as caught:
        Tracking(number=number, url="x").check()
    assert [problem.field for problem in caught.value.problems] == ["trackingNumber", "trackingUrl"]
