"""Why embedded servers or supervised processes can't run, each with a stable code and a sentence for people."""

from typing import ClassVar


class EmbeddedError(Exception):
    """Supervision can't do what was asked; the message says what to change."""

    code: ClassVar[str] = "EMBEDDED_ERROR"


class AlreadyRunning(EmbeddedError):
    """Another supervisor works on the same data folder."""

    code = "ALREADY_RUNNING"


class NotInstalled(EmbeddedError):
    """A server that should be embedded isn't installed here, or there is no build of it for this machine."""

    code = "EMBEDDED_NOT_INSTALLED"


class RightsMissing(EmbeddedError):
    """The account that runs the supervisor can't run PostgreSQL: neither as itself nor as another account."""

    code = "RIGHTS_MISSING"


class FolderUnusable(EmbeddedError):
    """The data folder can't be used as it is, and going on could lose what it holds."""

    code = "DATA_FOLDER_UNUSABLE"


class StartFailed(EmbeddedError):
    """A child ended, or didn't answer in time, before it was healthy; the message ends with its last words."""

    code = "START_FAILED"


class GaveUp(EmbeddedError):
    """A child ended so often that starting it once more would help nobody."""

    code = "GAVE_UP"


class NotRunning(EmbeddedError):
    """A service was asked for that isn't running at this moment."""

    code = "NOT_RUNNING"
