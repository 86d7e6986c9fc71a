"""What people send to sign up and in. Nothing of it is ever shown when a request is printed."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from api.envelope import RequestBody
from domain.accounts.account import REASON_CHARACTERS_MAXIMUM

# Generous bounds, so that nobody fills the memory: what a value must be is for the domain to say, in its own words.
_Text = Annotated[str, Meta(max_length=1000)]

Email = Annotated[str, Meta(max_length=1000, examples=["zebo@example.uz"])]
Password = Annotated[str, Meta(max_length=1000, extra_json_schema={"format": "password", "writeOnly": True})]


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
