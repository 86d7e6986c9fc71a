"""Facts about accounts that many claims begin with."""

from datetime import UTC, datetime
from uuid import UUID

from domain.accounts.events import AccountRegistered, SellerApplicationSubmitted
from domain.accounts.roles import AccountKind, AccountStatus, RegistrationChannel, Role

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")
SESSION = UUID("01890000-0000-7000-8000-0000000000e5")
STRANGER = UUID("01890000-0000-7000-8000-00000000057a")


def registered(
    *,
    kind: AccountKind = AccountKind.CUSTOMER,
    role: Role = Role.CUSTOMER,
    status: AccountStatus = AccountStatus.APPROVED,
) -> AccountRegistered:
    """Nodira's account."""
    return AccountRegistered(
        email="nodira@example.uz",
        name="Nodira",
        phone="+998901234567",
        role=role,
        status=status,
        kind=kind,
        channel=RegistrationChannel.PASSWORD,
    )


seller_registered = registered(kind=AccountKind.SELLER, role=Role.SELLER, status=AccountStatus.PENDING)
applied = SellerApplicationSubmitted(business_name="Nodira's Silks")
