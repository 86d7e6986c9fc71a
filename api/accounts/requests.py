"""What people send at the door, and about themselves. Nothing of it is ever shown when a request is printed."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from api.envelope import RequestBody
from domain.accounts.email import EMAIL_CHARACTERS_MAXIMUM, EMAIL_CHARACTERS_MINIMUM
from domain.accounts.name import NAME_CHARACTERS_MAXIMUM, NAME_CHARACTERS_MINIMUM
from domain.accounts.password import PASSWORD_CHARACTERS_MAXIMUM, PASSWORD_CHARACTERS_MINIMUM
from domain.accounts.presentation import (
    ADDRESS_CHARACTERS_MAXIMUM,
    CATEGORIES_MAXIMUM,
    CATEGORY_CHARACTERS_MAXIMUM,
    PROSE_CHARACTERS_MAXIMUM,
    REGION_CHARACTERS_MAXIMUM,
    InfluencerRevision,
    SalonRevision,
)
from domain.accounts.profile import URL_CHARACTERS_MAXIMUM
from domain.accounts.roles import Role
from domain.shared.reasons import REASON_CHARACTERS_MAXIMUM
from infrastructure.security.tokens import TOKEN_CHARACTERS_MAXIMUM

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


_TOKEN: Final = {"pattern": "^[0-9a-f]{64}$", "examples": ["5e" * 32]}
_AVATAR: Final = {
    "type": "string",
    "pattern": r"^https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?:/[!-~]*)?$",
    "maxLength": URL_CHARACTERS_MAXIMUM,
    "examples": ["https://example.uz/zebo.png"],
}

_PROSE: Final = {"maxLength": PROSE_CHARACTERS_MAXIMUM, "description": "May have several lines."}
_REGION: Final = {
    "minLength": 1,
    "maxLength": REGION_CHARACTERS_MAXIMUM,
    "pattern": r"\S",
    "examples": ["Toshkent"],
}
_ADDRESS: Final = {"maxLength": ADDRESS_CHARACTERS_MAXIMUM, "description": "In one line."}
_CATEGORIES: Final = {
    "minItems": 1,
    "maxItems": CATEGORIES_MAXIMUM,
    "uniqueItems": True,
    "description": "Each once, whatever its case.",
    "examples": [["nails", "make-up"]],
    "items": {"minLength": 1, "maxLength": CATEGORY_CHARACTERS_MAXIMUM, "pattern": r"\S"},
}

_CODE: Final = {"pattern": "^[0-9]{6}$", "examples": ["481516"]}

MailedToken = Annotated[
    str, Meta(max_length=1000, description="From the link that was mailed, or from `verify-forgot-otp`")
]


def _or_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"anyOf": [{"type": "string", **schema}, {"type": "null"}]}


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


class SignUpRequest(_Discreet, frozen=True, kw_only=True):
    """A new account of an influencer or a salon, who accept the terms."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "email": _EMAIL,
            "password": _PASSWORD,
            "name": _NAME,
            "termsAccepted": {"enum": [True]},
        }
    }

    name: _Text
    email: Email
    password: Password
    terms_accepted: bool


class EmailRequest(_Discreet, frozen=True, kw_only=True):
    """To whom something shall be mailed."""

    json_schema: ClassVar[Mapping[str, Any]] = {"properties": {"email": _EMAIL}}

    email: Email


class EmailCodeRequest(_Discreet, frozen=True, kw_only=True):
    """A code, and the address that it was mailed to."""

    json_schema: ClassVar[Mapping[str, Any]] = {"properties": {"email": _EMAIL, "otp": _CODE}}

    email: Email
    otp: _Text


class PhoneRequest(_Discreet, frozen=True, kw_only=True):
    """Where a code shall be sent: an international number, as in +998901234567."""

    json_schema: ClassVar[Mapping[str, Any]] = {"properties": {"phone": _PHONE}}

    phone: _Text


class PhoneCodeRequest(_Discreet, frozen=True, kw_only=True):
    """A code, and the phone that it was sent to."""

    json_schema: ClassVar[Mapping[str, Any]] = {"properties": {"phone": _PHONE, "otp": _CODE}}

    phone: _Text
    otp: _Text


class PhoneSignInRequest(PhoneCodeRequest, frozen=True, kw_only=True):
    """The same, to sign in by it; `name` is that of a new account, if the phone has none."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "phone": _PHONE,
            "otp": _CODE,
            "name": {"anyOf": [{"type": "string", **_NAME}, {"type": "null"}]},
        }
    }

    name: _Text | None = None


class VerifyEmailRequest(_Discreet, frozen=True, kw_only=True):
    """What the link in the mail brought."""

    json_schema: ClassVar[Mapping[str, Any]] = {"properties": {"token": _TOKEN}}

    token: MailedToken


class RefreshRequest(_Discreet, frozen=True, kw_only=True):
    """The refresh token of a session."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "required": ["refreshToken"],
        "properties": {
            "refreshToken": {
                "anyOf": [{"type": "string", "minLength": 1, "maxLength": TOKEN_CHARACTERS_MAXIMUM}]
            }
        },
    }

    refresh_token: Annotated[str, Meta(max_length=TOKEN_CHARACTERS_MAXIMUM)] | None = None


class LogOutRequest(RequestBody, frozen=True, kw_only=True):
    """Whether all sessions of the account shall end, or only this one."""

    all_sessions: bool = False


# --- passwords ------------------------------------------------------------------------------------------------


class ChangePasswordRequest(_Discreet, frozen=True, kw_only=True):
    """The old password and the new one."""

    json_schema: ClassVar[Mapping[str, Any]] = {"properties": {"newPassword": _PASSWORD}}

    current_password: Password
    new_password: Password


class ForgotPasswordRequest(EmailRequest, frozen=True, kw_only=True):
    """Whose password was forgotten, and whether they want a link or a code to type (`otp`)."""

    channel: Literal["link", "otp"] = "link"


class ResetPasswordRequest(_Discreet, frozen=True, kw_only=True):
    """A new password, and the token that lets it be set."""

    json_schema: ClassVar[Mapping[str, Any]] = {"properties": {"token": _TOKEN, "password": _PASSWORD}}

    token: MailedToken
    password: Password


# --- profile and administration -------------------------------------------------------------------------------


_Prose = Annotated[str, Meta(max_length=4 * PROSE_CHARACTERS_MAXIMUM)]
_Categories = Annotated[tuple[_Text, ...], Meta(max_length=10 * CATEGORIES_MAXIMUM)]


class InfluencerOnboardingRequest(_Discreet, frozen=True, kw_only=True):
    """How an influencer wants to be found. A phone is only for those who administer the marketplace to call."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "displayName": _NAME,
            "bio": _or_null(_PROSE),
            "categories": _CATEGORIES,
            "region": _REGION,
            "phone": _or_null(_PHONE),
        }
    }

    display_name: _Text
    categories: _Categories
    region: _Text
    bio: _Prose | None = None
    phone: _Text | None = None


class SalonOnboardingRequest(_Discreet, frozen=True, kw_only=True):
    """How a salon wants to be found. A phone is only for those who administer the marketplace to call."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "businessName": _NAME,
            "description": _or_null(_PROSE),
            "categories": _CATEGORIES,
            "region": _REGION,
            "address": _or_null(_ADDRESS),
            "phone": _or_null(_PHONE),
        }
    }

    business_name: _Text
    categories: _Categories
    region: _Text
    description: _Prose | None = None
    address: _Text | None = None
    phone: _Text | None = None


class InfluencerProfileRequest(_Discreet, frozen=True, kw_only=True):
    """What is new about an influencer; what is left out stays, and null takes the bio away."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "displayName": _NAME,
            "bio": _or_null(_PROSE),
            "categories": _CATEGORIES,
            "region": _REGION,
        }
    }

    display_name: _Text | UnsetType = UNSET
    bio: _Prose | UnsetType | None = UNSET
    categories: _Categories | UnsetType = UNSET
    region: _Text | UnsetType = UNSET

    def revision(self) -> InfluencerRevision:
        """As the domain takes it."""
        return InfluencerRevision(
            display_name=self.display_name, bio=self.bio, categories=self.categories, region=self.region
        )


class SalonProfileRequest(_Discreet, frozen=True, kw_only=True):
    """What is new about a salon; what is left out stays, and null takes description or address away."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "businessName": _NAME,
            "description": _or_null(_PROSE),
            "categories": _CATEGORIES,
            "region": _REGION,
            "address": _or_null(_ADDRESS),
        }
    }

    business_name: _Text | UnsetType = UNSET
    description: _Prose | UnsetType | None = UNSET
    categories: _Categories | UnsetType = UNSET
    region: _Text | UnsetType = UNSET
    address: _Text | UnsetType | None = UNSET

    def revision(self) -> SalonRevision:
        """As the domain takes it."""
        return SalonRevision(
            business_name=self.business_name,
            description=self.description,
            categories=self.categories,
            region=self.region,
            address=self.address,
        )


class UpdateProfileRequest(_Discreet, frozen=True, kw_only=True):
    """What is new about oneself; what is left out stays, and null takes picture or phone away.

    `influencer` and `salon` are for those who are one, once they have been onboarded.
    """

    json_schema: ClassVar[Mapping[str, Any]] = {
        "properties": {
            "name": _NAME,
            "avatarUrl": {"anyOf": [_AVATAR, {"type": "null"}]},
            "phone": {"anyOf": [_PHONE, {"type": "null"}]},
        }
    }

    name: _Text | UnsetType = UNSET
    avatar_url: Annotated[str, Meta(max_length=4000)] | UnsetType | None = UNSET
    phone: _Text | UnsetType | None = UNSET
    influencer: InfluencerProfileRequest | UnsetType = UNSET
    salon: SalonProfileRequest | UnsetType = UNSET


class RejectSellerRequest(RequestBody, frozen=True, kw_only=True):
    """Why an application is turned down; the applicant is told."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAXIMUM)]


class AccountReasonRequest(RequestBody, frozen=True, kw_only=True):
    """Why an account is suspended or deleted, for those who read it later; its owner is not told."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAXIMUM)] | None = None


class ChangeRoleRequest(RequestBody, frozen=True, kw_only=True):
    """What an account is from now on."""

    role: Role
