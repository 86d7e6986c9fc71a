"""Who has an account: the rows behind look-ups, lists for admins and public profiles (ACC-20, ACC-31, ACC-34, ADM-02)."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.accounts.events import (
    AccountDeleted,
    AccountLoggedIn,
    AccountRegistered,
    AccountRenamed,
    AccountSuspended,
    AccountUnsuspended,
    AvatarChanged,
    ContactPhoneChanged,
    EmailVerified,
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    PhoneVerified,
    SalonOnboardingCompleted,
    SalonProfileRevised,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.presentation import InfluencerProfile, SalonProfile, influencer_in, salon_in
from domain.shared.events import DomainEvent, Recorded
from projections.accounts.status import DECIDING, decide
from projections.shared.projection import Batch, Projection
from projections.shared.table import Table
from projections.shared.words import fold


class AccountRow(msgspec.Struct):
    """One account. `find_text` is all that it is found by, folded; what was erased is null."""

    account_id: UUID
    role: str
    status: str
    kind: str
    registered_at: datetime
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    find_text: str = ""
    last_login_at: datetime | None = None
    business_name: str | None = None
    avatar_url: str | None = None
    applied_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: UUID | None = None
    rejection_reason: str | None = None
    email_verified: bool = False
    verified_phone: str | None = None
    suspended_at: datetime | None = None
    suspended_by: UUID | None = None
    suspension_reason: str | None = None
    suspended_from: str | None = None
    deleted_at: datetime | None = None
    influencer: InfluencerProfile | None = None
    salon: SalonProfile | None = None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"AccountRow({self.account_id}, {self.role}, {self.status})"


ACCOUNT_DIRECTORY = Table(
    "account_directory",
    AccountRow,
    key=("account_id",),
    columns="""
        account_id uuid NOT NULL,
        role text NOT NULL,
        status text NOT NULL,
        kind text NOT NULL,
        registered_at timestamptz NOT NULL,
        email text,
        name text,
        phone text,
        find_text text NOT NULL,
        last_login_at timestamptz,
        business_name text,
        avatar_url text,
        applied_at timestamptz,
        decided_at timestamptz,
        decided_by uuid,
        rejection_reason text,
        email_verified boolean NOT NULL,
        verified_phone text,
        suspended_at timestamptz,
        suspended_by uuid,
        suspension_reason text,
        suspended_from text,
        deleted_at timestamptz,
        influencer jsonb,
        salon jsonb
    """,
    indexes={
        "email": "(email)",
        "role": "(role, status, registered_at, account_id)",
        "status": "(status, registered_at, account_id)",
        "registered": "(registered_at, account_id)",
    },
)


class AccountDirectory(Projection):
    """Keeps the directory in step with the facts; may be rebuilt from zero."""

    name = "account_directory"
    tables = (ACCOUNT_DIRECTORY,)
    events = (
        AccountRegistered,
        AccountLoggedIn,
        EmailVerified,
        PhoneVerified,
        AccountRenamed,
        AvatarChanged,
        ContactPhoneChanged,
        InfluencerOnboardingCompleted,
        SalonOnboardingCompleted,
        InfluencerProfileRevised,
        SalonProfileRevised,
        SellerApplicationSubmitted,
        *DECIDING,
    )
    personal = True

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        rows = batch.rows(ACCOUNT_DIRECTORY)
        event = recorded.event
        at = recorded.at
        if isinstance(event, AccountRegistered):
            rows.put(
                AccountRow(
                    account_id=recorded.stream_id,
                    role=event.role.value,
                    status=event.status.value,
                    kind=event.kind.value,
                    registered_at=at,
                    email=event.email,
                    name=event.name,
                    phone=event.phone,
                    find_text=_find_text(event.name, event.email),
                )
            )
            return
        row = rows.change(recorded.stream_id)
        if row is None:
            return
        match event:
            case AccountLoggedIn():
                row.last_login_at = at
            case EmailVerified():
                row.email_verified = True
            case PhoneVerified():
                row.phone = row.verified_phone = event.phone
            case AccountRenamed():
                row.name = event.name
                row.find_text = _text_of(row)
            case AvatarChanged():
                row.avatar_url = event.url
            case ContactPhoneChanged():
                _call_at(row, event.phone)
            case SellerApplicationSubmitted():
                row.business_name = event.business_name
                row.find_text = _text_of(row)
                row.applied_at = at
            case _:
                _present(row, event)
                _decide(row, event, at)


def _call_at(row: AccountRow, phone: str | None) -> None:
    """Another number to be called at is not a verified one, unless it is the verified one."""
    row.phone = phone
    row.verified_phone = phone if phone == row.verified_phone else None


def _present(row: AccountRow, event: DomainEvent) -> None:
    """How influencers and salons want to be found."""
    match event:
        case InfluencerOnboardingCompleted() | InfluencerProfileRevised():
            row.influencer = influencer_in(event)
        case SalonOnboardingCompleted() | SalonProfileRevised():
            row.salon = salon_in(event)
        case _:
            return
    row.find_text = _text_of(row)
    phone = None if isinstance(event, InfluencerProfileRevised | SalonProfileRevised) else event.phone
    if phone is not None:
        _call_at(row, phone)


def _decide(row: AccountRow, event: DomainEvent, at: datetime) -> None:
    """What admins make of an account."""
    decide(row, event)
    match event:
        case SellerApproved():
            row.decided_at = at
            row.decided_by = event.approved_by
        case SellerRejected():
            row.decided_at = at
            row.decided_by = event.rejected_by
            row.rejection_reason = event.reason
        case AccountSuspended():
            row.suspended_at = at
            row.suspended_by = event.by
            row.suspension_reason = event.reason
        case AccountUnsuspended():
            row.suspended_at = row.suspended_by = row.suspension_reason = None
        case AccountDeleted():
            row.deleted_at = at
            _forget(row)
        case _:
            pass


def _forget(row: AccountRow) -> None:
    """Leave nothing of the person. What admins wrote about them goes, too: it may name them."""
    row.email = row.name = row.phone = row.verified_phone = row.business_name = row.avatar_url = None
    row.influencer = row.salon = None
    row.rejection_reason = row.suspension_reason = None
    row.find_text = ""


def _text_of(row: AccountRow) -> str:
    influencer = None if row.influencer is None else row.influencer.display_name
    salon = None if row.salon is None else row.salon.business_name
    return _find_text(row.name, row.email, row.business_name, influencer, salon)


def _find_text(*texts: str | None) -> str:
    return "\n".join([fold(text) for text in texts if text])
