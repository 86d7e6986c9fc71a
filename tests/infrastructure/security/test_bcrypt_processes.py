"""bcrypt is computed by others, whatever becomes of them."""

import asyncio
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from infrastructure.security import bcrypt_processes, passwords
from infrastructure.security.bcrypt_processes import BcryptProcesses, BcryptUnavailable
from infrastructure.security.passwords import PasswordHasher, PasswordHasherBusy
from infrastructure.security.secrets import Secret

DIGEST = b"bm90IGEgcGFzc3dvcmQ="
ROUNDS = 4

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@pytest.fixture
def processes() -> Iterator[BcryptProcesses]:
    running = BcryptProcesses()
    yield running
    running.close()


def children() -> dict[str, int]:
    """The processes that compute for this one, by their manner."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(parent) == os.getpid() and str(bcrypt_processes.PROGRAM).encode() in words:
            found[words[-3].decode()] = int(entry.name)
    return found


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.01)


def test_it_is_bcrypt(processes: BcryptProcesses) -> None:
    hashed = processes.hash(DIGEST, rounds=ROUNDS)
    assert hashed.startswith("$2b$04$")
    assert bcrypt.checkpw(DIGEST, hashed.encode())
    assert processes.check(DIGEST, hashed, rounds=ROUNDS)
    assert not processes.check(DIGEST + b"x", hashed, rounds=ROUNDS)


def test_it_is_computed_only_while_a_core_is_idle(processes: BcryptProcesses) -> None:
    processes.hash(DIGEST, rounds=ROUNDS)
    patient = children()["patient"]
    assert os.sched_getscheduler(patient) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, patient) == 19


def test_who_wakes_up_need_not_wait_for_the_end_of_its_turn(processes: BcryptProcesses) -> None:
    processes.hash(DIGEST, rounds=ROUNDS)
    os.kill(children()["patient"], signal.SIGSTOP)
    processes.hash(DIGEST, rounds=ROUNDS)
    # Of an idle process Linux does not tell; both ask in the same way.
    told = Path(f"/proc/{children()['pressing']}/sched")
    if not told.exists() or release() < (6, 12):
        pytest.skip("This kernel has no turns that one could wish for, or does not tell of them.")
    assert turn(told.read_text()) == 100_000_000 > turn(Path("/proc/self/sched").read_text())


def release() -> tuple[int, ...]:
    """The version of the kernel."""
    return tuple(int(number) for number in platform.release().split("-")[0].split(".")[:2])


def test_it_naps_so_that_a_core_can_look_for_what_waits_elsewhere(processes: BcryptProcesses) -> None:
    hashed = processes.hash(DIGEST, rounds=10)
    patient = children()["patient"]
    before = naps(patient)
    processes.check(DIGEST, hashed, rounds=10)  # some fifty milliseconds
    assert naps(patient) - before > 10


def naps(pid: int) -> int:
    """How often a process has gone to sleep by itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("voluntary_ctxt_switches")]
    return int(line.partition(":")[2])


def turn(told: str) -> int:
    """Nanoseconds of a turn."""
    [line] = [line for line in told.splitlines() if line.startswith("se.slice")]
    return int(line.partition(":")[2])


def test_where_no_core_is_idle_for_long_it_is_computed_all_the_same(processes: BcryptProcesses) -> None:
    processes.hash(DIGEST, rounds=ROUNDS)
    os.kill(children()["patient"], signal.SIGSTOP)  # as good as never given a core
    for _ in range(3):
        hashed = processes.hash(DIGEST, rounds=ROUNDS)
        assert bcrypt.checkpw(DIGEST, hashed.encode())
    pressing = children()["pressing"]
    assert os.sched_getscheduler(pressing) == os.SCHED_OTHER
    assert os.getpriority(os.PRIO_PROCESS, pressing) == 10


def test_an_answer_that_comes_late_is_not_taken_for_the_next(processes: BcryptProcesses) -> None:
    hashed = processes.hash(DIGEST, rounds=ROUNDS)
    patient = children()["patient"]
    os.kill(patient, signal.SIGSTOP)
    assert processes.check(DIGEST, hashed, rounds=ROUNDS)
    os.kill(patient, signal.SIGCONT)
    for number in range(20):
        assert processes.check(DIGEST, hashed, rounds=ROUNDS) is True
        assert processes.check(b"%d" % number, hashed, rounds=ROUNDS) is False


def test_one_that_was_killed_is_started_anew(processes: BcryptProcesses) -> None:
    hashed = processes.hash(DIGEST, rounds=ROUNDS)
    for _ in range(2):
        patient = children()["patient"]
        os.kill(patient, signal.SIGKILL)
        assert processes.check(DIGEST, hashed, rounds=ROUNDS)
        assert children()["patient"] != patient


def test_those_that_end_at_once_are_an_outage(
    processes: BcryptProcesses, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(bcrypt_processes, "LIBRARY", "/nowhere")
        with pytest.raises(BcryptUnavailable):
            processes.hash(DIGEST, rounds=ROUNDS)
    assert "ModuleNotFoundError" in capfd.readouterr().err  # whoever operates it learns why
    assert processes.hash(DIGEST, rounds=ROUNDS)


def test_those_that_hang_are_ended() -> None:
    processes = BcryptProcesses(patience_seconds=0.05, answer_seconds=0.3)
    processes.hash(DIGEST, rounds=10)
    hung = children()
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(BcryptUnavailable):
        # At a cost that none can be through with in time.
        processes.hash(DIGEST, rounds=14)
    for pid in hung.values():
        until_gone(pid)
    assert not children()


def test_they_end_with_their_owner() -> None:
    processes = BcryptProcesses()
    processes.hash(DIGEST, rounds=ROUNDS)
    started = children()
    assert "patient" in started
    processes.close()
    for pid in started.values():
        until_gone(pid)
    processes.close()


async def test_they_end_with_their_owner_although_they_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "END_SECONDS", 0.2)
    hasher = PasswordHasher(pepper=Secret("pepper"), rounds=ROUNDS, threads=1)
    await hasher.hash("correct horse")
    os.kill(children()["patient"], signal.SIGSTOP)
    await hasher.hash("battery staple")
    hung = children()
    os.kill(hung["pressing"], signal.SIGSTOP)
    waiting = asyncio.create_task(hasher.hash("nobody computes this"))
    await asyncio.sleep(0.05)

    async with asyncio.timeout(10):
        await asyncio.to_thread(hasher.close)
        with pytest.raises(PasswordHasherBusy):
            await waiting
    for pid in hung.values():
        until_gone(pid)
    assert not children()


def test_they_end_when_their_owner_is_killed() -> None:
    program = (
        "from infrastructure.security.bcrypt_processes import BcryptProcesses\n"
        "from tests.infrastructure.security.test_bcrypt_processes import children\n"
        "processes = BcryptProcesses()\n"
        "processes.hash(b'x', rounds=4)\n"
        "print(children()['patient'], flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3],
    ) as owner:  # fmt: skip
        assert owner.stdout is not None
        patient = int(owner.stdout.readline())
        assert Path(f"/proc/{patient}").exists()
        owner.kill()
        until_gone(patient)


def test_they_know_nothing_of_ours(processes: BcryptProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_PEPPER", "nobody else's business")
    processes.hash(DIGEST, rounds=ROUNDS)
    patient = Path("/proc") / str(children()["patient"])
    assert b"nobody else" not in (patient / "environ").read_bytes()
    assert DIGEST not in (patient / "cmdline").read_bytes()
