"""People send pictures of themselves, and everybody sees them (ACC-32, MED-01, MED-03 to MED-08)."""

from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from api.assembly import AppServices
from domain.accounts.events import AvatarChanged
from domain.media.events import MediaUploaded
from domain.media.image_files import IMAGE_BYTES_MAXIMUM
from infrastructure.bootstrap import Machinery
from tests.api.asking import after, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.support.pictures import GPS, bomb, opened, photograph, picture
from tests.support.running import free_port

pytestmark = pytest.mark.services

PATH = "/profile/me/picture"
ALLOWED = ["image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif"]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def part(
    content: bytes | None = None,
    name: str | None = "me.png",
    kind: str = "image/png",
    field: str = "profilePic",
) -> tuple[str, Any]:
    """One part of a form."""
    return field, (name, picture() if content is None else content, kind)


async def send(
    client: httpx.AsyncClient, person: Person | None, *parts: tuple[str, Any], **headers: str
) -> httpx.Response:
    """Send a form with these parts; without any, one with a good picture."""
    shown = {} if person is None else person.headers
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(PATH, files=list(parts) or [part()], headers={**shown, **named})


async def show(client: httpx.AsyncClient, url: str, **headers: str) -> httpx.Response:
    return await client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


class TestShowing:
    async def test_everybody_sees_what_was_sent(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        zebo, other = await sign_up(name="Zebo"), await sign_up()
        answer = await send(client, zebo)
        profile = data_of(answer)
        assert (profile["id"], profile["name"]) == (str(zebo.account_id), "Zebo")
        assert data_of(await client.get("/profile/me", headers=zebo.headers)) == profile
        await settle()
        seen = await client.get(f"/profile/{zebo.account_id}", headers={**other.headers, **after(answer)})
        assert data_of(seen)["avatarUrl"] == profile["avatarUrl"]

        shown = await show(client, profile["avatarUrl"])

        assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/webp")
        assert opened(shown.content).size == (8, 6)

    async def test_it_is_shown_for_what_it_is_and_may_be_kept_for_a_day(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        url = data_of(await send(client, await sign_up()))["avatarUrl"]
        shown = await show(client, url, Accept_Encoding="gzip")
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert shown.headers["Cache-Control"] == "public, max-age=86400, immutable"
        assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Content-Encoding" not in shown.headers
        tag = shown.headers["ETag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            same = await show(client, url, If_None_Match=known)
            assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
        assert (await show(client, url, If_None_Match='"other"')).status_code == 200
        head = await client.head(url)
        assert (head.status_code, head.content, head.headers["Content-Length"]) == (
            200, b"", str(len(shown.content)),
        )  # fmt: skip

    async def test_where_a_photograph_was_taken_is_told_to_nobody(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        sent = photograph(orientation=6)
        url = data_of(await send(client, await sign_up(), part(sent, "me.jpg", "image/jpg")))["avatarUrl"]
        shown = await show(client, url)
        assert GPS in sent
        assert GPS not in shown.content
        assert opened(shown.content).size == (32, 64)

    async def test_a_new_picture_has_a_new_address(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        zebo = await sign_up()
        first, second = await send(client, zebo), await send(client, zebo)
        assert data_of(first)["avatarUrl"] != data_of(second)["avatarUrl"]
        assert first.headers["ETag"] != second.headers["ETag"]

    async def test_a_repeat_that_is_packed_anew_is_the_same_request(
        self, client: httpx.AsyncClient, services: AppServices, sign_up: SignUp
    ) -> None:
        zebo = await sign_up()
        first = await send(client, zebo, Idempotency_Key="one")
        again = await send(client, zebo, Idempotency_Key="one")
        assert first.request.headers["Content-Type"] != again.request.headers["Content-Type"]
        assert (data_of(first), again.headers["Idempotent-Replayed"]) == (data_of(again), "true")
        assert await services.files.delete_all(f"avatars/{zebo.account_id}/") == 1
        other = await send(client, zebo, part(picture(size=(9, 9))), Idempotency_Key="one")
        assert refusal(other) == (422, "IDEMPOTENCY_KEY_REUSED")

    async def test_who_decided_on_an_old_profile_changes_nothing(
        self, client: httpx.AsyncClient, services: AppServices, sign_up: SignUp
    ) -> None:
        zebo = await sign_up()
        stale = await send(client, zebo, If_Match='"never"')
        assert refusal(stale) == (412, "PRECONDITION_FAILED")
        assert await services.files.delete_all(f"avatars/{zebo.account_id}/") == 0
        latest = (await client.get("/profile/me", headers=zebo.headers)).headers["ETag"]
        data_of(await send(client, zebo, If_Match=latest))

    async def test_the_log_tells_no_name_and_nothing_that_was_in_the_file(
        self, client: httpx.AsyncClient, sign_up: SignUp, machinery: Machinery
    ) -> None:
        zebo = await sign_up()
        data_of(await send(client, zebo, part(photograph("PNG"), "Zebo at the bazaar.png")))
        with machinery.connect(name="test") as connection:
            stored = connection.execute(
                "SELECT topic, convert_from(state, 'UTF8') FROM stored_events WHERE topic ~ 'Media|Avatar' ORDER BY notification_id"
            ).fetchall()
        assert [topic for topic, _ in stored] == ["media.MediaUploaded.v1", "accounts.AvatarChanged.v1"]
        assert not any("bazaar" in state or "sha256" in state for _, state in stored)
        assert {MediaUploaded.__name__, AvatarChanged.__name__} == {
            topic.split(".")[1] for topic, _ in stored
        }


NO_PICTURES: Final = (
    (SVG, "me.svg", "image/svg+xml", "INVALID_FILE_TYPE"),
    (SVG, "me.png", "image/png", "INVALID_FILE_TYPE"),
    (b"<html>", "me.gif", "image/gif", "INVALID_FILE_TYPE"),
    (picture("PNG")[:40], "me.png", "image/png", "INVALID_FILE_TYPE"),
    (picture("PNG"), "me.jpg", "image/jpeg", "INVALID_FILE_TYPE"),
    (b"", "me.png", "image/png", "INVALID_FILE_TYPE"),
    (picture("PNG"), "me.jpg", "image/png", "FILE_EXTENSION_MISMATCH"),
    (picture("PNG"), "../../etc/passwd", "image/png", "FILE_EXTENSION_MISMATCH"),
)

HEAD: Final = b'--x\r\nContent-Disposition: form-data; name="profilePic"'
BROKEN_FORMS: Final = (
    ("multipart/form-data", b"--x--"),
    ("multipart/form-data; boundary=", b"--x--"),
    ("multipart/form-data; boundary=\xff", b"--x--"),
    ("multipart/form-data; boundary=x", b""),
    ("multipart/form-data; boundary=x", b"--x--\r\n"),
    ("multipart/form-data; boundary=x", b"nothing of a form"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nme\r\n--x--\r\n"),
    (
        "multipart/form-data; boundary=x",
        HEAD + b"\r\nContent-Type: text/plain; charset=klingon\r\n\r\nme\r\n--x--\r\n",
    ),
    ("multipart/form-data; boundary=x", HEAD + b"\r\n\r\n\xff\xfe\r\n--x--\r\n"),
    ("multipart/form-data; boundary=x", HEAD + b'; filename="me.png"\r\n\r\n' + picture()),
    ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 2000 + b"\r\n--x--\r\n"),
)


class TestRefusals:
    async def test_what_is_no_picture_is_refused_and_kept_nowhere(
        self, client: httpx.AsyncClient, services: AppServices, sign_up: SignUp
    ) -> None:
        assert refusal(await send(client, None)) == (401, "NO_TOKEN")
        zebo = await sign_up()
        for content, name, kind, code in NO_PICTURES:
            answer = await send(client, zebo, part(content, name, kind))
            assert refusal(answer) == (400, code), (name, kind)
            if code == "INVALID_FILE_TYPE":
                assert answer.json()["error"]["details"]["allowedTypes"] == ALLOWED
        large = picture() + bytes(IMAGE_BYTES_MAXIMUM)
        assert refusal(await send(client, zebo, part(large))) == (413, "FILE_TOO_LARGE")
        assert refusal(await send(client, zebo, part(bomb()))) == (413, "FILE_TOO_LARGE")
        assert refusal(await send(client, zebo, part(large * 2))) == (413, "PAYLOAD_TOO_LARGE")
        assert await services.files.delete_all(f"avatars/{zebo.account_id}/") == 0

    async def test_a_form_has_one_file_and_nothing_else(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up()
        assert refusal(await send(client, zebo, part(), part())) == (400, "TOO_MANY_FILES")
        other = await send(client, zebo, part(), part(field="avatar"))
        assert wrong_fields(other) == {"avatar": "unknown_field"}
        assert wrong_fields(await send(client, zebo, part(field="avatar"))) == {"avatar": "unknown_field"}
        text = await send(client, zebo, part(b"me", None, "text/plain"))
        assert wrong_fields(text) == {"profilePic": "type"}

    async def test_a_broken_form_is_refused_and_breaks_nothing(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up()
        for kind, body in BROKEN_FORMS:
            headers = [
                (name.encode(), value.encode("latin-1"))
                for name, value in (*zebo.headers.items(), ("Content-Type", kind))
            ]
            answer = await client.post(PATH, content=body, headers=headers)
            assert refusal(answer) == (400, "VALIDATION_ERROR"), (kind, body[:80])

    async def test_a_form_is_taken_here_and_nowhere_else_and_here_nothing_else(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up()
        for kind in (
            "application/json",
            "image/png",
            "application/x-www-form-urlencoded",
            "text/plain",
            None,
        ):
            headers = {**zebo.headers, **({} if kind is None else {"Content-Type": kind})}
            answer = await client.post(PATH, content=picture(), headers=headers)
            assert refusal(answer) == (415, "UNSUPPORTED_MEDIA_TYPE"), kind
        answer = await client.put("/profile/me", files=[part()], headers=zebo.headers)
        assert refusal(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_there_is_nothing_where_no_file_is(
    client: httpx.AsyncClient, services: AppServices, sign_up: SignUp
) -> None:
    zebo = await sign_up()
    url = data_of(await send(client, zebo))["avatarUrl"]
    await services.files.delete_all(f"avatars/{zebo.account_id}/")
    for nothing in (f"/media/{UUID(int=0)}", f"/media/{zebo.account_id}", url):
        missing = await show(client, nothing)
        assert refusal(missing) == (404, "RESOURCE_NOT_FOUND")
        assert missing.headers["Cache-Control"] == "no-store"


async def test_with_an_account_its_picture_is_gone_at_once(
    client: httpx.AsyncClient, sign_up: SignUp, admin: Person
) -> None:
    zebo = await sign_up()
    url = data_of(await send(client, zebo))["avatarUrl"]
    tag = (await show(client, url)).headers["ETag"]
    data_of(await client.delete(f"/admin/accounts/{zebo.account_id}", headers=admin.headers))
    assert refusal(await show(client, url)) == (404, "RESOURCE_NOT_FOUND")
    assert refusal(await show(client, url, If_None_Match=tag)) == (404, "RESOURCE_NOT_FOUND")


class TestWithoutTheStore:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "S3_ENDPOINT": f"http://127.0.0.1:{free_port()}"}

    async def test_a_picture_is_a_503_and_everything_else_works(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up()
        answer = await send(client, zebo)
        assert refusal(answer) == (503, "UPSTREAM_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1
        assert data_of(await client.get("/profile/me", headers=zebo.headers))["avatarUrl"] is None
