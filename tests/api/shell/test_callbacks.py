"""What others call us with is judged by the very bytes that they sent."""

import hmac
from collections.abc import AsyncIterator

import pytest

from api.callbacks import FORM_FIELDS_MAXIMUM, read_form
from domain.shared.errors import InvalidInput
from tests.api.shell.office import NOTICE_KEY, Window, office

NOTICE = "/api/v1/offices/notice"
SIGNED = b'{ "attributes" : {"a":1.0, "\\u0073um": "\xd1\x81\xd1\x83\xd0\xbc" ,\n"b": 2}}\n'


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    async with office() as opened:
        yield opened


def signature(body: bytes) -> str:
    return hmac.digest(NOTICE_KEY, body, "sha256").hex()


class TestSignatures:
    @pytest.mark.parametrize(
        "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", None]
    )
    async def test_a_notice_is_taken_as_it_was_signed_whatever_it_calls_itself(
        self, window: Window, kind: str | None
    ) -> None:
        headers = {"X-Signature": signature(SIGNED)} | ({} if kind is None else {"Content-Type": kind})
        answer = await window.client.post(NOTICE, content=SIGNED, headers=headers)
        assert (answer.status_code, answer.json()["data"]) == (200, 3)

    @pytest.mark.parametrize(
        "sent",
        [
            SIGNED.replace(b'"b": 2', b'"b": 3'),
            SIGNED.replace(b" ", b""),
            SIGNED.strip(),
            SIGNED.replace(b"1.0", b"1"),
            SIGNED.replace(b"\\u0073", b"s"),
        ],
    )
    async def test_what_means_the_same_and_was_not_signed_is_refused(
        self, window: Window, sent: bytes
    ) -> None:
        assert sent != SIGNED
        answer = await window.client.post(NOTICE, content=sent, headers={"X-Signature": signature(SIGNED)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_SIGNATURE")

    async def test_a_signed_notice_is_read_as_strictly_as_any_body(self, window: Window) -> None:
        body = b'{"attributes": {}, "surprise": 1}'
        answer = await window.client.post(NOTICE, content=body, headers={"X-Signature": signature(body)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")

    async def test_it_arrives_in_pieces_as_whole(self, window: Window) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for byte in SIGNED:
                yield bytes([byte])

        headers = {"X-Signature": signature(SIGNED)}
        assert (await window.client.post(NOTICE, content=pieces(), headers=headers)).status_code == 200

    async def test_the_description_says_that_any_body_is_taken(self, window: Window) -> None:
        document = (await window.client.get("/api/v1/schema")).json()
        operation = document["paths"][NOTICE]["post"]
        assert list(operation["requestBody"]["content"]) == ["*/*"]
        assert {"400", "413"} <= set(operation["responses"])
        assert "429" not in operation["responses"]


class TestForms:
    def test_a_form_is_read_field_by_field(self) -> None:
        body = b"click_trans_id=1&sign_time=2026-05-01+12%3A00%3A00&note=&name=%D0%97%D0%B5%D0%B1%D0%BE"
        assert read_form(body) == {
            "click_trans_id": "1",
            "sign_time": "2026-05-01 12:00:00",
            "note": "",
            "name": "Зебо",
        }
        assert read_form(b"") == {}

    @pytest.mark.parametrize(
        "body",
        [
            b"amount=1&amount=2",
            b"amount=1&%61mount=2",
            b"amount",
            b"amount=1&&sign=2",
            b"name=%ff",
            b"name=\xff",
            b"name=a%00b",
            b"&".join(b"a%d=1" % number for number in range(FORM_FIELDS_MAXIMUM + 1)),
            b'{"amount": 1}',
        ],
    )
    def test_what_could_be_read_in_two_ways_is_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidInput):
            read_form(body)
