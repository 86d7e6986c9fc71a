"""How accounts begin: by signing up, by a phone, or as the house's own first admin (ACC-01 to ACC-12, ACC-30, OTP-08)."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from domain.accounts.email import normalise_email
from domain.accounts.events import (
    AccountEvent,
    AccountRegistered,
    PhoneVerified,
    SellerApplicationSubmitted,
)
from domain.accounts.name import normalise_name
from domain.accounts.phone import normalise_phone
from domain.accounts.roles import AccountKind, AccountStatus, RegistrationChannel, Role
from domain.shared.errors import InvalidInput, Problem


class RegistrationInvalid(InvalidInput):
    """Nobody registers like that."""


def register(
    *,
    kind: AccountKind,
    email: str,
    name: str,
    phone: str | None = None,
    business_name: str | None = None,
    terms_accepted_at: datetime | None = None,
    locale: str | None = None,
    session_id: UUID | None = None,
) -> list[AccountEvent]:
    """Begin an account. A seller waits for an admin (requirements ACC-26), all others may act at once.

    `session_id` is the session that comes with it, if one does.

    Raises:
        EmailInvalid, NameInvalid, PhoneInvalid: see there.
        RegistrationInvalid: nobody makes themselves staff (ACC-01), only sellers have a business name, influencers
            and salons accept the terms (ACC-11, ACC-12).
    """
    if business_name is not None and kind is not AccountKind.SELLER:
        message = "Only sellers have a business name."
        raise RegistrationInvalid(message, problems=[Problem("businessName", message, "kind")])
    match kind:
        case AccountKind.CUSTOMER:
            role, status = Role.CUSTOMER, AccountStatus.APPROVED
        case AccountKind.SELLER:
            role, status = Role.SELLER, AccountStatus.PENDING
        case AccountKind.INFLUENCER | AccountKind.SALON:
            role, status = Role(kind.value), AccountStatus.APPROVED
            if terms_accepted_at is None:
                message = "The terms must be accepted."
                raise RegistrationInvalid(message, problems=[Problem("termsAccepted", message, "accepted")])
        case AccountKind.STAFF:
            message = "An account is a customer's, a seller's, an influencer's or a salon's."
            raise RegistrationInvalid(message, problems=[Problem("kind", message, "enum")])
        case _:
            assert_never(kind)
    registered = AccountRegistered(
        email=normalise_email(email),
        name=normalise_name(name),
        phone=None if phone is None else normalise_phone(phone),
        role=role,
        status=status,
        kind=kind,
        channel=RegistrationChannel.PASSWORD,
        terms_accepted_at=terms_accepted_at,
        locale=locale,
        session_id=session_id,
    )
    if kind is not AccountKind.SELLER:
        return [registered]
    business = None if business_name is None else normalise_name(business_name, field="businessName")
    return [registered, SellerApplicationSubmitted(business_name=business)]


def register_by_phone(
    *, phone: str, name: str | None, locale: str | None, session_id: UUID
) -> list[AccountEvent]:
    """Begin a customer's account for whoever has just shown that a phone is theirs (requirements OTP-08).

    Raises:
        NameInvalid, PhoneInvalid: see there.
    """
    phone = normalise_phone(phone)
    return [
        AccountRegistered(
            phone=phone,
            name=None if name is None else normalise_name(name),
            role=Role.CUSTOMER,
            status=AccountStatus.APPROVED,
            kind=AccountKind.CUSTOMER,
            channel=RegistrationChannel.PHONE_OTP,
            locale=locale,
            session_id=session_id,
        ),
        PhoneVerified(phone=phone),
    ]


def bootstrap_super_admin(*, email: str, name: str) -> list[AccountEvent]:
    """Begin the account from which all other admins come (requirements ACC-30).

    Raises:
        EmailInvalid, NameInvalid: see there.
    """
    return [
        AccountRegistered(
            email=normalise_email(email),
            name=normalise_name(name),
            role=Role.SUPER_ADMIN,
            status=AccountStatus.APPROVED,
            kind=AccountKind.STAFF,
            channel=RegistrationChannel.BOOTSTRAP,
        )
    ]
