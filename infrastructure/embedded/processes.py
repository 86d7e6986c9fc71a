"""What the operating system tells about processes that may have outlived their supervisor."""

import os
import signal
import subprocess
from pathlib import Path

PROC = Path("/proc")
PS_SECONDS = 5.0


def machine() -> str:
    """The scope within which process numbers mean anything: this boot and, on Linux, this PID namespace."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = str((PROC / "self/ns/pid").readlink())
    except OSError:
        return f"{os.uname().nodename} {_ps('-o', 'lstart=', '-p', '1')}"
    return f"{boot} {namespace}"


def started(pid: int) -> str | None:
    """When a process started, as an opaque word; the pair with its number names one process for good.

    Returns:
        None when there is no such process any more. A zombie counts as gone: it holds no file and no port, and in a
        container the first process may never collect it.
    """
    if (PROC / "self/stat").exists():
        try:
            # The second field is the program's name in parentheses and may itself hold spaces and parentheses.
            fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, start_ticks = fields[0], fields[19]
        return None if state in ("Z", "X") else start_ticks
    state_and_start = _ps("-o", "stat=,lstart=", "-p", str(pid)).split(maxsplit=1)
    if len(state_and_start) < 2 or state_and_start[0].startswith("Z"):
        return None
    return state_and_start[1]


def command_line(pid: int) -> str:
    """The program and its arguments, separated by spaces; empty when the process is gone or hidden from us."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        return _ps("-o", "command=", "-p", str(pid)) if not PROC.is_dir() else ""
    except OSError:
        return ""


def exit_description(code: int) -> str:
    """An exit code as `subprocess` gives it, in words: negative numbers are signals."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _ps(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - a fixed program with fixed options
        ("/bin/ps", *arguments), capture_output=True, text=True, timeout=PS_SECONDS, check=False
    )
    return done.stdout.strip()
