"""Start one program so that it can't outlive its supervisor.

    python -I -S launch.py SUPERVISOR_PID ACCOUNT DEATH_SIGNAL PROGRAM [ARGUMENT...]

The interpreter prepares its own process and then becomes PROGRAM. ACCOUNT is `-`, or the account to become when the
supervisor is root (PostgreSQL refuses to run as root). DEATH_SIGNAL is what the kernel sends when the supervisor dies.

The account keeps one right of root, CAP_DAC_OVERRIDE: the program and its data may lie below folders that only root
may enter, and we open no folder for others. Three facts of Linux decide the order of the steps: `access(2)`, which
initdb asks, ignores capabilities unless SECBIT_NO_SETUID_FIXUP is set (capabilities(7)); an ambient capability must be
permitted and inheritable first; and a change of account clears the death signal (prctl(2), PR_SET_PDEATHSIG).

Where there is no prctl (macOS) the program starts all the same, and the supervisor's next start ends what was left.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
SECBIT_KEEP_CAPS = 1 << 4
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3: two 32-bit words for each set (capset(2))."""

NOT_STARTED = 126
"""Exit code when the program could not be started; shells use the same."""


class CapabilityHeader(ctypes.Structure):
    """`cap_user_header_t`."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilityWord(ctypes.Structure):
    """`cap_user_data_t`: one 32-bit word of each of the three sets."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


libc = ctypes.CDLL(None, use_errno=True)
on_linux = sys.platform == "linux" and hasattr(libc, "prctl")


def checked(result: int, call: str) -> None:
    """Raise what the C library reported, if it reported a failure."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def prctl(option: int, *arguments: int) -> None:
    """Change one attribute of this process; all five arguments are passed, as the kernel checks the unused ones."""
    padded = (option, *arguments, 0, 0, 0, 0)[:5]
    checked(libc.prctl(*(ctypes.c_ulong(value) for value in padded)), f"prctl({option})")


def become(account: str) -> None:
    """Turn from root into an account, keeping only the right to pass file permissions."""
    entry = pwd.getpwnam(account)
    if on_linux:
        prctl(PR_SET_KEEPCAPS, 1)
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if on_linux:
        only = 1 << CAP_DAC_OVERRIDE
        words = (CapabilityWord * 2)(CapabilityWord(only, only, only), CapabilityWord(0, 0, 0))
        header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
        checked(libc.capset(ctypes.byref(header), ctypes.byref(words)), "capset")
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def restore_signals() -> None:
    """Undo what the interpreter did at its start: an ignored signal would stay ignored in the program."""
    for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def main(arguments: list[str]) -> None:
    """Prepare this process and become the program; return only by exiting."""
    if len(arguments) < 4:
        sys.exit("usage: launch.py SUPERVISOR_PID ACCOUNT DEATH_SIGNAL PROGRAM [ARGUMENT...]")
    supervisor, account, death_signal, *program = arguments
    os.umask(0o077)
    try:
        if account != "-":
            become(account)
        if on_linux:
            prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(supervisor):
            sys.exit("The supervisor ended before this program could start.")
        restore_signals()
        os.execvp(program[0], program)  # noqa: S606 - no shell is the point
    except (OSError, KeyError) as error:
        print(f"{program[0]} can't be started: {error}", file=sys.stderr)  # noqa: T201 - the log of the child
        sys.exit(NOT_STARTED)


if __name__ == "__main__":
    main(sys.argv[1:])
