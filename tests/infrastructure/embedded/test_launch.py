import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from infrastructure.embedded.keeper import LAUNCHER
from tests.infrastructure.embedded.waiting import runs, until

PYTHON = (sys.executable, "-I", "-S")
LAUNCH = (*PYTHON, str(LAUNCHER))

linux = pytest.mark.skipif(sys.platform != "linux", reason="what Linux alone offers")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")


def launched(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*LAUNCH, *arguments), capture_output=True, text=True, timeout=10, check=False)


def running(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command)


def test_the_program_takes_the_place_of_the_launcher() -> None:
    done = launched(str(os.getpid()), "-", "9", "/bin/sh", "-c", "echo here; exit 7")

    assert (done.stdout, done.returncode) == ("here\n", 7)


def test_nothing_starts_for_a_supervisor_that_is_gone() -> None:
    done = launched("1", "-", "9", "/bin/sh", "-c", "echo here")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "supervisor ended" in done.stderr


def test_a_program_that_does_not_exist_is_named() -> None:
    done = launched(str(os.getpid()), "-", "9", "/nowhere/server")

    assert done.returncode == 126
    assert "/nowhere/server can't be started" in done.stderr


def test_an_account_that_does_not_exist_is_an_error() -> None:
    done = launched(str(os.getpid()), "no-such-account", "9", "/bin/true")

    assert done.returncode == 126
    assert "no-such-account" in done.stderr


def test_too_few_arguments_show_the_usage() -> None:
    assert "usage" in launched("1", "-").stderr


def test_files_of_the_program_are_private() -> None:
    assert launched(str(os.getpid()), "-", "9", "/bin/sh", "-c", "umask").stdout.strip() in ("077", "0077")


@linux
def test_the_program_inherits_no_ignored_signal() -> None:
    """Python ignores SIGPIPE; a server that inherited that would not notice a reader that left."""
    status = launched(str(os.getpid()), "-", "9", "/bin/cat", "/proc/self/status").stdout

    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    assert int(ignored.split()[1], 16) >> (signal.SIGPIPE - 1) & 1 == 0


@linux
@as_root
def test_root_keeps_one_right_only() -> None:
    status = launched(str(os.getpid()), "nobody", "9", "/bin/cat", "/proc/self/status").stdout

    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split()
    assert "0" not in fields["Gid"].split()
    assert fields["Groups"].split() == []
    assert [int(fields[kind], 16) for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb")] == [1 << 1] * 4


@linux
@pytest.mark.parametrize("account", ["-", pytest.param("nobody", marks=as_root)])
async def test_the_program_dies_with_its_supervisor(account: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    supervisor = textwrap.dedent(
        f"""
        import os, subprocess, time
        child = subprocess.Popen([*{LAUNCH!r}, str(os.getpid()), {account!r}, "15", "/bin/sleep", "60"])
        open({str(note)!r}, "w").write(str(child.pid))
        time.sleep(60)
        """
    )
    with running((*PYTHON, "-c", supervisor)) as process:
        await until(lambda: note.exists() and note.read_text())
        pid = int(note.read_text())
        await until(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])

        process.kill()

    await until(lambda: not runs(pid), seconds=2)
