"""People who ask again, with the same idempotency key, until there is an answer."""

import asyncio
import time
from typing import Any, Final

import msgspec

from tests.journeys.crash.book import Book, PromiseBroken
from tests.journeys.shop import PASSWORD, PATIENCE_SECONDS, People, Person
from tests.support.http import Answer, HttpClient

AGAIN_SECONDS: Final = 0.05
"""Between two attempts. Less than `Retry-After` asks for: a test is in a hurry to see the house come back."""

ASK_AGAIN: Final = frozenset({"IDEMPOTENCY_IN_PROGRESS", "CONCURRENCY_CONFLICT"})
"""Refusals that are no answer: the same request is to be sent once more."""

GONE: Final = (OSError, TimeoutError, asyncio.IncompleteReadError)
"""What a client sees of a server that was killed."""


class Asking(People):
    """People who do not give up, and remember when they were answered."""

    def __init__(self, http: HttpClient, book: Book) -> None:
        """`book` takes what they count."""
        super().__init__(http)
        self.book = book
        self.keys = 0
        self._struck: float | None = None
        self.first_answer: tuple[float, int] | None = None

    def key(self, what: str) -> str:
        """A key that nobody has used."""
        self.keys += 1
        return f"{what}-{self.run}-{self.keys}"

    def struck(self) -> None:
        """From now on `first_answer` waits for a command that was sent after this moment and succeeded."""
        self._struck = time.monotonic()
        self.first_answer = None

    async def command(
        self,
        method: str,
        path: str,
        body: Any,
        by: Person | None,
        *,
        key: str | None,
        twice: bool = False,
        may: str = "",
    ) -> Answer:
        """Send a command until it is answered; `twice` sends it two times at once, as an impatient finger does.

        `may` is the one refusal that is a good answer.

        Raises:
            PromiseBroken: there is no answer for too long, it is another refusal or the house's mistake, or there are two.
        """
        attempts = [self._until_answered(method, path, body, by, key) for _ in range(2 if twice else 1)]
        answers = await asyncio.gather(*attempts)
        for answer in answers:
            if answer.status >= 400 and answer.code != may:
                raise PromiseBroken(
                    f"{method} {path} with key {key} was answered {answer.status} {answer.body!r}"
                )
        # A refusal is decided anew each time (nothing happened), so that one of two may come too early.
        taken = [answer for answer in answers if answer.status < 400]
        if len({_what_was_said(answer) for answer in taken}) > 1:
            raise PromiseBroken(f"{path} with key {key} was answered twice: {[each.body for each in taken]}")
        return (taken or answers)[0]

    async def _until_answered(
        self, method: str, path: str, body: Any, by: Person | None, key: str | None
    ) -> Answer:
        began = time.monotonic()
        last = ""
        while time.monotonic() - began < PATIENCE_SECONDS:
            sent = time.monotonic()
            try:
                answer = await self.tell(method, path, body, by, key=key)
            except GONE as error:
                last = f"{type(error).__name__}: {error}"
                self.book.again["no connection"] += 1
            else:
                if answer.status < 400:
                    self.book.commands += 1
                    self._note_first(sent, answer)
                    return answer
                code = answer.code or ""
                if answer.status != 503 and code not in ASK_AGAIN:
                    self.book.refusals[code] += 1
                    return answer
                if answer.status == 503 and int(answer.headers.get("retry-after", "0")) < 1:
                    raise PromiseBroken(f"{method} {path} was answered 503 without Retry-After.")
                last = f"{answer.status} {code}"
                self.book.again[code] += 1
            await asyncio.sleep(AGAIN_SECONDS)
        raise PromiseBroken(f"No answer to {method} {path} in {PATIENCE_SECONDS} s; the last: {last}")

    def _note_first(self, sent: float, answer: Answer) -> None:
        position = int(answer.headers.get("x-position", "0"))
        if self._struck is not None and self.first_answer is None and sent >= self._struck and position:
            self.first_answer = (time.monotonic() - self._struck, position)

    async def every(self, path: str, by: Person) -> list[dict[str, Any]]:
        """Every page of a list, in peace.

        Raises:
            PromiseBroken: it is not answered.
        """
        try:
            return await self.all_of(path, by)
        except (AssertionError, *GONE) as error:
            raise PromiseBroken(f"GET {path}: {type(error).__name__}: {error}") from error

    async def join(self, name: str) -> Person:
        """Register. Registering carries no key: whoever finds, on asking again, that they have an account, signs in."""
        address = self.address(name)
        body = {"email": address, "password": PASSWORD, "name": name.title(), "kind": "customer"}
        before = self.book.asked_again
        answer = await self.command("POST", "/auth/register", body, None, key=None, may="USER_EXISTS")
        if answer.code == "USER_EXISTS" and self.book.asked_again > before:
            body = {"email": address, "password": PASSWORD}
            answer = await self.command("POST", "/auth/login", body, None, key=None)
        data = answer.data
        person = Person(account_id=data["user"]["id"], email=address, token=data["accessToken"])
        self.book.people[person.account_id] = person
        return person


def _what_was_said(answer: Answer) -> bytes:
    """An answer without what may differ between the first one and its repeat."""
    return msgspec.json.encode(answer.data, order="sorted")
