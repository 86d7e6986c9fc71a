"""The program that computes bcrypt for `infrastructure.security.bcrypt_processes`, which starts it by its path.

It says `0 ready`, then reads a line for each question and writes a line for each answer, until its input ends:

    NUMBER hash ROUNDS DIGEST   ->  NUMBER HASH
    NUMBER check DIGEST HASH    ->  NUMBER yes | NUMBER no

It imports nothing of ours and knows no secret: a digest is of a password and the pepper.
"""

import contextlib
import ctypes
import os
import platform
import signal
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO

# Where bcrypt is: without the start-up of `site`, which takes longer than all the rest.
sys.path.extend(sys.argv[2:])

import bcrypt

AUTOGROUP = "/proc/self/autogroup"

SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of the system call, by machine; the C library has had no name for it for long."""

LONG_TURN_NANOSECONDS = 100_000_000
"""The longest that Linux knows of."""

NAP_EVERY_SECONDS = 0.001

PR_SET_TIMERSLACK = 29
"""So that a nap is as short as it is asked for, instead of up to fifty microseconds longer."""


def stand_back(niceness: int) -> None:
    """Leave the cores to others first.

    Where Linux shares them out by sessions of processes (`sched_autogroup_enabled`), niceness counts only within one. So this
    becomes a session of its own, which is nice as a whole.
    """
    os.nice(niceness)
    with contextlib.suppress(OSError):
        if os.access(AUTOGROUP, os.W_OK):
            os.setsid()
            with open(AUTOGROUP, "w", encoding="ascii") as group:
                group.write(str(niceness))


def take_long_turns(niceness: int) -> None:
    """Let everybody who wakes up go first at once, instead of after one's own turn.

    A turn that has begun is protected, on whatever terms, against all but those who asked for shorter ones (Linux 6.12 and newer).
    Nobody asks for as long ones as this. It has to be done before `be_idle`, whose policy takes no such wish and keeps it.
    """
    number = SCHED_SETATTR.get(platform.machine())
    if sys.platform == "linux" and number is not None:
        # struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period
        wish = struct.pack("=IIQiIQQQ", 48, os.SCHED_OTHER, 0, niceness, 0, LONG_TURN_NANOSECONDS, 0, 0)
        ctypes.CDLL(None).syscall(number, 0, wish, 0)


def nap_while_computing() -> None:
    """Have a timer, once it is set, send this process to sleep for some twenty microseconds each time.

    A core that has nothing to do looks for work that waits on others; one that computes does not, not even for an idle process. What
    handles the signal is `usleep` itself, which the system calls with the number of the signal, 14 microseconds: no handler of
    Python's would run before bcrypt is through, and this one touches nothing.
    """
    library = ctypes.CDLL(None)
    if sys.platform == "linux":
        library.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    library.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    library.signal(signal.SIGALRM, ctypes.cast(library.usleep, ctypes.c_void_p))


@contextlib.contextmanager
def computing() -> Iterator[None]:
    """Something that takes long."""
    signal.setitimer(signal.ITIMER_REAL, NAP_EVERY_SECONDS, NAP_EVERY_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def be_idle() -> None:
    """Compute only while a core has nothing else to do, as far as the system knows of such a thing."""
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def answer(question: bytes) -> bytes:
    """What is said to one line, without the ends of both."""
    match question.split(b" "):
        case [number, b"hash", rounds, digest]:
            return number + b" " + bcrypt.hashpw(digest, bcrypt.gensalt(int(rounds)))
        case [number, b"check", digest, hashed]:
            return number + b" " + (b"yes" if bcrypt.checkpw(digest, hashed) else b"no")
        case _:
            raise ValueError("not a question")


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions."""
    for question in questions:
        with computing():
            answered = answer(question.rstrip(b"\n"))
        answers.write(answered + b"\n")
        answers.flush()


if __name__ == "__main__":
    # Whoever started it says when to end, by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(sys.stdout.fileno(), b"0 ready\n")  # Before it stands back: nobody need be patient with a start.
    patient = sys.argv[1] == "patient"
    niceness = 19 if patient else 10
    stand_back(niceness)
    take_long_turns(niceness)
    if patient:
        be_idle()
    nap_while_computing()
    serve(sys.stdin.buffer, sys.stdout.buffer)
