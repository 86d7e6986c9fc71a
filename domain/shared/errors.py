"""The kinds of refusal. A refusal is an answer of the business, never a crash.

Each refusal is a class of its own with a stable `code`; the edge maps each *kind* to a status once
(requirements §41.1). Messages are sentences for people and may change; codes do not.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class DomainError(Exception):
    """An answer of the business that is not the one asked for."""

    code: ClassVar[str] = "DOMAIN_ERROR"

    def __init__(self, message: str, *, details: Mapping[str, object] | None = None) -> None:
        """`details` are facts for programs (ids, limits); no secrets and no personal data."""
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details or {}


class Problem:
    """One thing that is wrong with one field of a request."""

    __slots__ = ("field", "message", "rule")

    def __init__(self, field: str, message: str, rule: str) -> None:
        """`field` is a dotted path in the request's own (camelCase) names; `rule` is a stable word."""
        self.field = field
        self.message = message
        self.rule = rule


class InvalidInput(DomainError):
    """The request itself is wrong and will be wrong again: 400."""

    code = "VALIDATION_ERROR"

    def __init__(
        self,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        details: Mapping[str, object] | None = None,
    ) -> None:
        """`problems` name the fields; never echo passwords or tokens in them."""
        super().__init__(message, details=details)
        self.problems = tuple(problems)


class NotAuthenticated(DomainError):
    """Nobody knows who is asking: 401."""

    code = "AUTHENTICATION_REQUIRED"


class NotPermitted(DomainError):
    """The caller is known and may not do this: 403."""

    code = "INSUFFICIENT_PERMISSIONS"


class NotFound(DomainError):
    """There is no such thing, or the caller may not learn that there is: 404."""

    code = "RESOURCE_NOT_FOUND"


class RuleViolation(DomainError):
    """What was asked conflicts with how things stand: 409."""

    code = "CONFLICT"


class AccessDenied(NotPermitted):
    """The caller does not own this (requirements RBAC-02)."""

    code = "RESOURCE_ACCESS_DENIED"
