"""Callbacks that are Twilio's, by its published vector, and those that are not."""

import base64
import hashlib
import hmac

import pytest

from infrastructure.security.secrets import Secret
from infrastructure.sms.twilio_signature import is_genuine_form, is_genuine_json

# https://www.twilio.com/docs/usage/security#validating-requests
PUBLISHED = {
    "url": "https://mycompany.com/myapp.php?foo=1&bar=2",
    "parameters": [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ],
    "signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
}
TOKEN = Secret("12345")

STATUS = {
    "url": "https://api.shop.example.uz/webhooks/twilio/status",
    "parameters": [
        ("To", "+998901234567"),
        ("SmsStatus", "delivered"),
        ("SmsSid", "SM00112233445566778899aabbccddeeff"),
        ("MessageStatus", "delivered"),
        ("MessageSid", "SM00112233445566778899aabbccddeeff"),
        ("From", "+15005550006"),
        ("ApiVersion", "2010-04-01"),
        ("AccountSid", "AC0123456789abcdef0123456789abcdef"),
    ],
    "signature": "t49wnSaZ0SeinYCapA4gphcOs2A=",
}


def signed(text: str, token: str = "12345") -> str:
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class TestForms:
    def test_the_published_vector_is_genuine(self) -> None:
        assert is_genuine_form(TOKEN, **PUBLISHED)  # type: ignore[arg-type]

    def test_a_status_callback_is_genuine_in_whatever_order_its_fields_came(self) -> None:
        assert is_genuine_form(Secret("twilioAuthTokenExample"), **STATUS)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "changed",
        [
            {"signature": ""},
            {"signature": "RSOYDt4T1cUTdK1PDd93/VVr8B9="},
            {"signature": "ш\udc80"},
            {"url": "https://mycompany.com/myapp.php?foo=1&bar=3"},
            {"url": "http://mycompany.com/myapp.php?foo=1&bar=2"},
            {"url": "https://mycompany.com:8443/myapp.php?foo=1&bar=2"},
            {"parameters": []},
            {"parameters": [*PUBLISHED["parameters"], ("Digits", "9999")]},
        ],
    )
    def test_whatever_is_changed_is_noticed(self, changed: dict[str, object]) -> None:
        assert not is_genuine_form(TOKEN, **(PUBLISHED | changed))  # type: ignore[arg-type]

    def test_another_token_is_noticed(self) -> None:
        assert not is_genuine_form(Secret("12346"), **PUBLISHED)  # type: ignore[arg-type]

    def test_the_port_that_goes_without_saying_may_be_said_on_either_side(self) -> None:
        bare, ported = "https://shop.uz/cb?a=1", "https://shop.uz:443/cb?a=1"
        for called in (bare, ported):
            for seen in (bare, ported):
                assert is_genuine_form(TOKEN, url=seen, parameters=[], signature=signed(called))
        assert not is_genuine_form(
            TOKEN, url="https://shop.uz:80/cb", parameters=[], signature=signed("https://shop.uz/cb")
        )
        other = "https://shop.uz:8443/cb"
        assert is_genuine_form(TOKEN, url=other, parameters=[], signature=signed(other))

    def test_a_field_that_came_twice_counts_by_its_values(self) -> None:
        fields = [("A", "2"), ("A", "1"), ("A", "2")]
        url = "https://shop.uz/cb"
        assert is_genuine_form(TOKEN, url=url, parameters=fields, signature=signed(f"{url}A1A2"))


class TestJson:
    BODY = b'{"MessageSid": "SM1"}'

    def test_a_body_is_genuine_by_its_digest_in_the_address(self) -> None:
        url = f"https://shop.uz/cb?bodySHA256={hashlib.sha256(self.BODY).hexdigest()}"
        assert is_genuine_json(TOKEN, url=url, body=self.BODY, signature=signed(url))
        assert not is_genuine_json(TOKEN, url=url, body=self.BODY + b" ", signature=signed(url))
        assert not is_genuine_json(TOKEN, url=url, body=self.BODY, signature=signed(url, "12346"))

    def test_an_address_without_a_digest_vouches_for_no_body(self) -> None:
        url = "https://shop.uz/cb"
        assert not is_genuine_json(TOKEN, url=url, body=self.BODY, signature=signed(url))
