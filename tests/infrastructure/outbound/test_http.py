"""Asking a provider: whole answers, or the truth about what is not known."""

import asyncio
import contextlib
import socket
import time

import pytest

from infrastructure.outbound.http import LONGEST_ANSWER, HttpAnswer, HttpProvider, NoAnswer, NotReached
from tests.support.standins.http import Asked, HangUp, Told, listening


async def ask(url: str, *, seconds: float = 5.0, path: str = "/x") -> HttpAnswer:
    provider = HttpProvider(url, seconds=seconds)
    try:
        return await provider.ask("POST", path, headers={"X-Key": "value"}, form=[("a", "1 & ш")])
    finally:
        provider.close()


async def ask_a_server_that(told: Told | Exception, *, seconds: float = 5.0) -> HttpAnswer:
    async def answer(asked: Asked) -> Told:
        if isinstance(told, Exception):
            raise told
        return told

    async with listening(answer) as url:
        return await ask(url, seconds=seconds)


class TestAsking:
    async def test_a_request_arrives_whole(self) -> None:
        seen: list[Asked] = []

        async def answer(asked: Asked) -> Told:
            seen.append(asked)
            return Told(201, {"ok": True})

        async with listening(answer) as url:
            provider = HttpProvider(f"{url}/base")
            told = await provider.ask(
                "POST", "/x", headers={"X-Key": "value"}, query=[("q", "a b")], form=[("a", "1 & ш")]
            )
            provider.close()
        (asked,) = seen
        assert (asked.method, asked.path, asked.query) == ("POST", "/base/x", {"q": "a b"})
        assert asked.form() == {"a": "1 & ш"}
        assert asked.headers["x-key"] == "value"
        assert (told.status, told.body) == (201, b'{"ok": true}')

    async def test_a_redirection_is_an_answer_and_is_not_followed(self) -> None:
        told = await ask_a_server_that(Told(302, "", {"Location": "http://127.0.0.1:9/"}))
        assert told.status == 302

    @pytest.mark.parametrize(
        ("field", "seconds"), [("7", 7.0), ("soon", None), ("-1", None), ("٣", None), ("", None)]
    )
    async def test_the_wait_that_is_asked_for_is_read_in_seconds(
        self, field: str, seconds: float | None
    ) -> None:
        answer = HttpAnswer(status=429, body=b"", retry_after=field)
        assert answer.retry_after_seconds == seconds

    async def test_a_proxy_that_somebody_has_put_into_the_environment_gets_no_credentials(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert (await ask_a_server_that(Told(200))).status == 200

    async def test_an_answer_does_not_show_what_is_in_it(self) -> None:
        assert "481516" not in repr(HttpAnswer(status=200, body=b"481516", retry_after=None))


class TestNotKnowing:
    async def test_a_server_that_is_not_there_was_not_reached(self, unused_tcp_port: int) -> None:
        with pytest.raises(NotReached, match="ConnectError"):
            await ask(f"http://127.0.0.1:{unused_tcp_port}")

    async def test_a_server_that_speaks_no_tls_was_not_reached(self) -> None:
        async def answer(asked: Asked) -> Told:
            return Told(200)

        async with listening(answer) as url:
            with pytest.raises(NotReached):
                await ask(url.replace("http:", "https:"), seconds=0.3)

    async def test_one_that_hangs_up_may_have_done_what_it_was_asked(self) -> None:
        with pytest.raises(NoAnswer):
            await ask_a_server_that(HangUp())

    async def test_so_may_one_whose_answer_is_endless(self) -> None:
        with pytest.raises(NoAnswer, match="too long"):
            await ask_a_server_that(Told(200, b"x" * (LONGEST_ANSWER + 1)))

    async def test_one_that_sends_a_byte_now_and_then_is_given_up_in_time_and_so_is_its_connection(
        self,
    ) -> None:
        gone = asyncio.Event()

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                while not reader.at_eof():
                    writer.write(b"H")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            except ConnectionError:
                pass
            finally:
                gone.set()
                writer.close()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        provider = HttpProvider(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seconds=0.5)
        try:
            begun = time.monotonic()
            with pytest.raises(NoAnswer, match="in time"):
                await provider.ask("GET", "/", headers={})
            assert time.monotonic() - begun < 2
            await asyncio.wait_for(gone.wait(), 2)
        finally:
            provider.close()
            server.close()
            await server.wait_closed()

    async def test_a_server_that_accepts_nobody_was_not_reached(self) -> None:
        with contextlib.ExitStack() as stack:
            full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(full.getsockname())
            with pytest.raises(NotReached):
                await ask(f"http://127.0.0.1:{full.getsockname()[1]}", seconds=0.2)

    async def test_of_more_than_may_be_asked_at_once_none_is_said_not_to_have_left_that_did(self) -> None:
        seen: set[str] = set()

        async def answer(one: Asked) -> Told:
            seen.add(one.path)
            await asyncio.sleep(3600)
            return Told(200)

        async with listening(answer) as url:
            provider = HttpProvider(url, seconds=0.5)
            asking = {f"/{number}": provider.ask("GET", f"/{number}", headers={}) for number in range(40)}
            told = await asyncio.gather(*asking.values(), return_exceptions=True)
            provider.close()
            await asyncio.sleep(0.05)
        assert {type(each) for each in told} <= {NoAnswer, NotReached}
        assert seen
        assert seen <= {path for path, each in zip(asking, told, strict=True) if isinstance(each, NoAnswer)}
