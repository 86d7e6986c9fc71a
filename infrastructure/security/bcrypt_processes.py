"""bcrypt, computed in processes of its own that stand back behind everything else.

A check takes a core for some 70 ms, and whoever buys must not wait for people who sign in. A thread is not enough for that: one
that stands back may do so while it holds the interpreter, for which the event loop then waits; and the kernel lets a process wake up
on a core that a merely nice one computes on, but not on one that is idle but for it.

So the work is given to a process that runs only while a core is idle. Where none is for a while, a second one, which is merely nice,
computes the same; the first answer counts.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

import bcrypt

PROGRAM: Final = Path(__file__).with_name("bcrypt_worker.py")
LIBRARY: Final = str(Path(bcrypt.__file__).parents[1])

PATIENCE_SECONDS: Final = 0.5
"""How long a check at cost 10 may wait for an idle core; half as long for each step below, twice for each above."""

ANSWER_SECONDS: Final = 60.0
"""After that something is wrong with the processes, and they are ended."""

START_SECONDS: Final = 10.0
END_SECONDS: Final = 2.0


class BcryptUnavailable(Exception):
    """No process could compute it: they cannot be started, or end at once, or hang. An outage, to be tried again later."""


class BcryptProcesses:
    """Computes one thing at a time, for one thread. Its processes start when they are first needed."""

    def __init__(
        self, *, patience_seconds: float = PATIENCE_SECONDS, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        """`patience_seconds` is at cost 10."""
        self._patience_seconds = patience_seconds
        self._answer_seconds = answer_seconds
        self._number = 0
        self._patient: _Process | None = None
        self._pressing: _Process | None = None
        self._abandoned = False

    def hash(self, digest: bytes, *, rounds: int) -> str:
        """A new salted hash of a digest without spaces or line ends.

        Raises:
            BcryptUnavailable: nobody computes it.
        """
        return self._compute(b"hash %d %s" % (rounds, digest), rounds)

    def check(self, digest: bytes, hashed: str, *, rounds: int) -> bool:
        """Whether the digest is the one that was hashed, at that cost.

        Raises:
            BcryptUnavailable: nobody computes it.
        """
        return self._compute(b"check %s %s" % (digest, hashed.encode()), rounds) == "yes"

    def abandon(self) -> None:
        """From another thread: whatever is being computed is not, and nothing is from now on."""
        self._abandoned = True
        for process in (self._patient, self._pressing):
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End the processes."""
        for process in (self._patient, self._pressing):
            if process is not None:
                process.end()
        self._patient = self._pressing = None

    def _compute(self, question: bytes, rounds: int) -> str:
        # What is computed has no effects, so a process that ended meanwhile is simply asked anew.
        for _ in range(2):
            if self._abandoned:
                break
            try:
                return self._ask(question, self._patience_seconds * 2.0 ** (rounds - 10))
            except TimeoutError:
                self.close()
                break
            except OSError:
                self.close()
        raise BcryptUnavailable("No process computes bcrypt.")

    def _ask(self, question: bytes, patience: float) -> str:
        self._number += 1
        deadline = time.monotonic() + self._answer_seconds
        self._patient = patient = self._patient or _Process("patient")
        asked = []
        # Still busy with what the other one was quicker with? Then there is nobody to be patient with.
        if patient.is_free():
            patient.ask(self._number, question)
            asked.append(patient)
            answer = _first_answer(asked, self._number, patience)
            if answer is not None:
                return answer
        self._pressing = pressing = self._pressing or _Process("pressing")
        pressing.ask(self._number, question)
        asked.append(pressing)
        answer = _first_answer(asked, self._number, deadline - time.monotonic())
        if answer is None:
            raise TimeoutError("bcrypt takes too long.")
        return answer


class _Process:
    """One process and what it has been asked."""

    def __init__(self, manner: str) -> None:
        """Start it, and wait until it has.

        Raises:
            OSError: it does not start.
        """
        # `-I -S`: nothing of the environment, of the working directory or of the user has a say in what it loads.
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(PROGRAM), manner, LIBRARY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions = self._process.stdin
        self._answers = self._process.stdout
        self._asked = 0
        self._answered = 0
        self._begun = b""
        try:
            if not _ready([self], START_SECONDS):
                raise TimeoutError("The process does not start.")
            self.read()
        except OSError:
            self.end()
            raise

    def fileno(self) -> int:
        """What becomes readable when there is an answer, or when it has ended."""
        return self._answers.fileno()

    def is_free(self) -> bool:
        """Whether it has answered all it was asked."""
        while self._asked != self._answered and _ready([self], 0):
            self.read()
        return self._asked == self._answered

    def ask(self, number: int, question: bytes) -> None:
        """Put a question, shorter than a pipe holds; the numbers of questions rise."""
        self._asked = number
        self._questions.write(b"%d %s\n" % (number, question))

    def read(self) -> list[tuple[int, str]]:
        """Numbers and answers that have come; waits for some.

        Raises:
            OSError: it has ended.
        """
        came = self._answers.read(4096)
        if not came:
            raise BrokenPipeError("The process has ended.")
        *lines, self._begun = (self._begun + came).split(b"\n")
        answers = []
        for line in lines:
            number, _, answer = line.partition(b" ")
            self._answered = int(number)
            answers.append((self._answered, answer.decode("ascii")))
        return answers

    def kill(self) -> None:
        """End it; whoever waits for its answers learns so."""
        self._process.kill()

    def end(self) -> None:
        """Let it end, or end it; it has no work that could be lost."""
        self._questions.close()
        self._process.kill()
        self._process.wait(END_SECONDS)
        self._answers.close()


def _first_answer(processes: Sequence[_Process], number: int, seconds: float) -> str | None:
    """The first answer of any of them to a question, `None` if there is none within so many seconds."""
    deadline = time.monotonic() + seconds
    while ready := _ready(processes, max(0.0, deadline - time.monotonic())):
        for process in ready:
            for answered, answer in process.read():
                if answered == number:
                    return answer
    return None


def _ready(processes: Sequence[_Process], seconds: float) -> list[_Process]:
    """Those that have something to say, or have ended; waits for the first."""
    ready = wait([process.fileno() for process in processes], seconds)
    return [process for process in processes if process.fileno() in ready]
