"""Reading variables by name, so that everything that is wrong with them is said at once."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from infrastructure.security.secrets import Secret
from infrastructure.settings.values import Parser, Unreadable, listed

T = TypeVar("T")


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One environment variable that is read: its name, its other names, and whether it holds a secret."""

    name: str
    aliases: tuple[str, ...] = ()
    secret: bool = False


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one variable."""

    variable: str
    message: str

    def __str__(self) -> str:
        return f"{self.variable} {self.message}."


class EnvironmentReader:
    """Reads variables by name, remembers which, and collects what is wrong with them.

    White space around a value does not count, and an empty value is one that is not set, so that a
    template of all variables without values changes nothing. Of several names the first that is set wins.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read from this mapping; it is not changed."""
        self._environ = environ
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.variables: list[Variable] = []

    def read(self, name: str, parse: Parser[T], default: T, *aliases: str) -> T:
        """The value, or the default when it is not set; a problem is noted and gives the default too."""
        return self._read(Variable(name=name, aliases=aliases), parse, default)

    def find(self, name: str, parse: Parser[T], *aliases: str) -> T | None:
        """The value, or nothing when it is not set; a problem is noted and gives nothing too."""
        absent: T | None = None
        return self._read(Variable(name=name, aliases=aliases), parse, absent)

    def secret(self, name: str, *aliases: str) -> Secret | None:
        """The secret, or nothing when it is not set."""
        absent: Secret | None = None
        return self._read(Variable(name=name, aliases=aliases, secret=True), Secret, absent)

    def secrets(self, name: str) -> tuple[Secret, ...]:
        """A comma list of secrets, empty when it is not set."""
        return self._read(Variable(name=name, secret=True), listed(Secret), ())

    def ignored(self, name: str, reason: str, *, secret: bool = False) -> None:
        """A variable of an older system: known, of no effect, and warned about when it is set."""
        absent: str | None = None
        if self._read(Variable(name=name, secret=secret), str, absent) is not None:
            self.warn(name, reason)

    def refuse(self, name: str, message: str) -> None:
        """Note that a variable makes the whole environment unusable; `message` has no secret in it."""
        self.problems.append(Problem(variable=name, message=message))

    def warn(self, name: str, message: str) -> None:
        """Note that a variable is doubtful and accepted all the same."""
        self.warnings.append(f"{name} {message}.")

    def _read(self, variable: Variable, parse: Parser[T], default: T) -> T:
        self.variables.append(variable)
        for name in (variable.name, *variable.aliases):
            text = self._environ.get(name, "").strip()
            if not text:
                continue
            try:
                return parse(_clean(text))
            except Unreadable as unreadable:
                self.refuse(name, str(unreadable))
                return default
        return default


def _clean(text: str) -> str:
    if any(ord(character) < 32 or "\ud800" <= character <= "\udfff" for character in text):
        raise Unreadable("must be one line of UTF-8 text without control characters")
    return text
