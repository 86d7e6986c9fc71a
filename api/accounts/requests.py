"""What people send to sign up and in. Nothing of it is ever shown when a request is printed."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta

from api.envelope import RequestBody
from domain.accounts.account import REASON_CHARACTERS_MAXIMUM
from domain.accounts.email import EMAIL_CHARACTERS_MAXIMUM, EMAIL_CHARACTERS_MINIMUM
from domain.accounts.name import NAME_CHARACTERS_MAXIMUM, NAME_CHARACTERS_MINIMUM
from domain.accounts.password import PASSWORD_CHARACTERS_MAXIMUM, PASSWORD_CHARACTERS_MINIMUM

# Generous bounds, so that nobody fills the memory: what a value must be is for the domain to say, in its own words.
_Text = Annotated[str, Meta(max_length=1000)]

Email = Annotated[str, Meta(max_length=1000, examples=["zebo@example.uz"])]
Password = Annotated[str, Meta(max_length=1000, extra_json_schema={"format": "password", "writeOnly": True})]

# The same for those who read the document instead of trying; the domain is kinder, and trims and strips.
_ATOM: Final = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL: Final = {
    "minLength": EMAIL_CHARACTERS_MINIMUM,
    "maxLength": EMAIL_CHARACTERS_MAXIMUM,
    "pattern": rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?$",
}
_NAME: Final = {
    "minLength": NAME_CHARACTERS_MINIMUM,
    "maxLength": NAME_CHARACTERS_MAXIMUM,
    "pattern": r"\S",
    "description": "With a letter or digit in it.",
}
_PHONE: Final = {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$", "examples": ["+998901234567"]}
_PASSWORD: Final = {"minLength": PASSWORD_CHARACTERS_MINIMUM, "maxLength": PASSWORD_CHARACTERS_MAXIMUM}


class _Discreet(RequestBody, frozen=True, kw_only=True):
    """A request with secrets or personal data in it."""

    def __repr__(self) -> str:
        """Without any value."""
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return []


class RegisterRequest(_Discreet, frozen=True, kw_only=True):
    """A new account. `businessName` is for sellers; a phone number is international, as in +998901234567."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "email": _EMAIL,
            "password": _PASSWORD,
            "name": _NAME,
            "phone": {"anyOf": [_PHONE, {"type": "null"}]},
            "businessName": {"anyOf": [{"type": "string", **_NAME}, {"type": "null"}]},
        }
    }

    email: Email
    password: Password
    name: _Text
    phone: _Text | None = None
    kind: Literal["customer", "seller"] = "customer"
    business_name: _Text | None = None


class LogInRequest(_Discreet, frozen=True, kw_only=True):
    """Who somebody says they are, and how they prove it."""

    email: Email
    password: Password


class RejectSellerRequest(RequestBody, frozen=True, kw_only=True):
    """Why an application is turned down; the applicant is told."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAXIMUM)]
