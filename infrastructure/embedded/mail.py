"""The embedded mail sink: takes every message and delivers none; each becomes a file in `mail/`."""

import os
import signal
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from infrastructure.embedded import health
from infrastructure.embedded.child import Child
from infrastructure.embedded.errors import NotInstalled
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.wheels import plain_environment

MODULE = "infrastructure.embedded.mail_sink"


def child(folder: DataFolder, *, port: int) -> Child:
    """The description of the server.

    Raises:
        NotInstalled: the `embedded` extra is missing.
    """
    try:
        distribution("aiosmtpd")
    except PackageNotFoundError as error:
        raise NotInstalled(
            "The embedded mail sink isn't installed. Install it with: pip install 'daftar[embedded]'. "
            "Or set SMTP_HOST to use a server of your own."
        ) from error
    mails = mail_folder(folder)

    async def prepare() -> None:
        mails.mkdir(mode=0o700, exist_ok=True)

    async def answers() -> bool:
        return await health.smtp_greets(port)

    return Child(
        name="smtp",
        argv=(sys.executable, "-m", MODULE, "--port", str(port), "--folder", str(mails)),
        env=plain_environment() | {"PYTHONPATH": _module_path()},
        cwd=folder.root,
        health=answers,
        prepare=prepare,
        death_signal=signal.SIGTERM,
    )


def _module_path() -> str:
    """Where Python finds our modules, even where Daftar runs from its sources without being installed."""
    return os.pathsep.join(
        (str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep))
    )


def mail_folder(folder: DataFolder) -> Path:
    """Where the messages are."""
    return folder.root / "mail"
