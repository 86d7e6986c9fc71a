"""What an operation on accounts answers when it breaks: a 500 with a code of its own (requirements §41.1)."""

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.types import ExceptionHandlersMap

from api.context import context_of
from api.errors import failure_of, leave_alone, record, respond
from application.shared.command import Overloaded
from infrastructure.security.passwords import PasswordHasherBusy

_SENTENCES = {
    "REGISTRATION_FAILED": "The account could not be registered. The error was recorded.",
    "LOGIN_FAILED": "Signing in failed. The error was recorded.",
    "TOKEN_REFRESH_FAILED": "The session could not be prolonged. The error was recorded.",
    "LOGOUT_FAILED": "Signing out failed. The error was recorded.",
    "USER_FETCH_FAILED": "The account could not be read. The error was recorded.",
    "PROFILE_UPDATE_FAILED": "The profile could not be changed. The error was recorded.",
    "PASSWORD_CHANGE_FAILED": "The password could not be changed. The error was recorded.",
}


def breaking_as(code: str) -> ExceptionHandlersMap:
    """The `exception_handlers` of a route whose bugs are answered with `code`; refusals and outages stay what they are.

    Raises:
        KeyError: the code is none of this table's.
    """
    sentence = _SENTENCES[code]

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        leave_alone(error)
        context = context_of(request)
        failure = failure_of(_told_apart(error), context.path)
        if failure.status == 500:
            failure = msgspec.structs.replace(failure, code=code, message=sentence)
        record(error, failure, context, request.scope["method"])
        return respond(failure, context)

    return {Exception: answer}


def _told_apart(error: Exception) -> Exception:
    """Too many passwords at once is an overload, not a bug."""
    return Overloaded(str(error)) if isinstance(error, PasswordHasherBusy) else error
