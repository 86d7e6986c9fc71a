"""What an account may be: its kind, its role and its status (requirements D-05, D-06)."""

from enum import StrEnum


class Role(StrEnum):
    """What somebody is allowed to be; one role an account (requirements ACC-07)."""

    CUSTOMER = "customer"
    SELLER = "seller"
    INFLUENCER = "influencer"
    SALON = "salon"
    ADMIN = "admin"
    SUPER_ADMIN = "super_admin"


class AccountKind(StrEnum):
    """As what an account came into being. Unlike its role it never changes.

    Nobody registers as staff: those accounts are made by the house itself.
    """

    CUSTOMER = "customer"
    SELLER = "seller"
    INFLUENCER = "influencer"
    SALON = "salon"
    STAFF = "staff"


class AccountStatus(StrEnum):
    """Whether the owner of an account may act (requirements ACC-08).

    `pending` and `rejected` are those of a seller's application; `deleted` accounts are kept as a name for history.
    """

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class RegistrationChannel(StrEnum):
    """By which door an account came in."""

    PASSWORD = "password"  # noqa: S105 - the name of a door, not a key
    PHONE_OTP = "phone_otp"
    BOOTSTRAP = "bootstrap"


class LoginMethod(StrEnum):
    """By what somebody proved who they are."""

    PASSWORD = "password"  # noqa: S105 - the name of a way, not a key
    PHONE_OTP = "phone_otp"


class MailedProof(StrEnum):
    """What is mailed to somebody, who shows by it that the mailbox is theirs: a code to type, or a link to follow."""

    OTP = "otp"
    LINK = "link"
