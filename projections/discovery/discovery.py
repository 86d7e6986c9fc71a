"""The screens "Find an influencer" and "Find a salon": who is on them (requirements DISC-01, DISC-03); `questions.py` asks.

Who may be found depends on what an account was before it was onboarded (its picture, its role, whether an admin
suspended it), so `discovery_standing` keeps that of every account. `discovery_influencers` and `discovery_salons` have a row
for each that was onboarded as such, ready to be shown, and are all that a search looks at.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.accounts.events import (
    AccountDeleted,
    AccountRegistered,
    AvatarChanged,
    EmailVerified,
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    SalonOnboardingCompleted,
    SalonProfileRevised,
)
from domain.accounts.roles import AccountStatus, RegistrationChannel, Role
from domain.shared.events import DomainEvent, Recorded
from projections.accounts.status import DECIDING, decide
from projections.shared.projection import Batch, Projection
from projections.shared.table import Table
from projections.shared.words import fold, words_of


class StandingRow(msgspec.Struct, gc=False):
    """What of an account decides whether it may be found, and its picture."""

    account_id: UUID
    role: str
    status: str
    verified: bool
    suspended_from: str | None = None
    avatar_url: str | None = None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"StandingRow({self.account_id}, {self.role}, {self.status})"

    def may_be_found_as(self, role: Role) -> bool:
        """Whether others may find it as somebody of a role."""
        return self.verified and self.status == AccountStatus.APPROVED.value and self.role == role.value


DISCOVERY_STANDING = Table(
    "discovery_standing",
    StandingRow,
    key=("account_id",),
    columns="""
        account_id uuid NOT NULL,
        role text NOT NULL,
        status text NOT NULL,
        verified boolean NOT NULL,
        suspended_from text,
        avatar_url text
    """,
)


class InfluencerRow(msgspec.Struct):
    """An influencer who was onboarded. `shown` is whether salons find them; `words` are those of the display name."""

    account_id: UUID
    onboarded_at: datetime
    shown: bool
    display_name: str
    bio: str | None
    categories: list[str]
    region: str
    region_key: str
    words: str
    avatar_url: str | None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"InfluencerRow({self.account_id})"


class SalonRow(msgspec.Struct):
    """A salon that was onboarded. `shown` is whether influencers find it; `words` are those of its name."""

    account_id: UUID
    onboarded_at: datetime
    shown: bool
    business_name: str
    description: str | None
    categories: list[str]
    region: str
    region_key: str
    address: str | None
    words: str
    avatar_url: str | None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"SalonRow({self.account_id})"


# Only those who are shown are in an index. Words and categories are together in one, which answers for either and for both;
# along the others the newest are read first, of all or of a region.
_INDEXES = {
    "newest": "(onboarded_at, account_id) WHERE shown",
    "region": "(region_key, onboarded_at, account_id) WHERE shown",
    "found": "USING gin (words, categories) WITH (fastupdate = off) WHERE shown",
}

DISCOVERY_INFLUENCERS = Table(
    "discovery_influencers",
    InfluencerRow,
    key=("account_id",),
    columns="""
        account_id uuid NOT NULL,
        onboarded_at timestamptz NOT NULL,
        shown boolean NOT NULL,
        display_name text NOT NULL,
        bio text,
        categories text[] COLLATE "C" NOT NULL,
        region text NOT NULL,
        region_key text COLLATE "C" NOT NULL,
        words tsvector NOT NULL,
        avatar_url text
    """,
    indexes=_INDEXES,
)

DISCOVERY_SALONS = Table(
    "discovery_salons",
    SalonRow,
    key=("account_id",),
    columns="""
        account_id uuid NOT NULL,
        onboarded_at timestamptz NOT NULL,
        shown boolean NOT NULL,
        business_name text NOT NULL,
        description text,
        categories text[] COLLATE "C" NOT NULL,
        region text NOT NULL,
        region_key text COLLATE "C" NOT NULL,
        address text,
        words tsvector NOT NULL,
        avatar_url text
    """,
    indexes=_INDEXES,
)


class DiscoveryProjection(Projection):
    """Keeps both screens in step with the facts; may be rebuilt from zero. Of who is deleted no row is left."""

    name = "discovery"
    tables = (DISCOVERY_STANDING, DISCOVERY_INFLUENCERS, DISCOVERY_SALONS)
    events = (
        AccountRegistered,
        EmailVerified,
        AvatarChanged,
        *DECIDING,
        InfluencerOnboardingCompleted,
        InfluencerProfileRevised,
        SalonOnboardingCompleted,
        SalonProfileRevised,
    )
    personal = True

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        account_id, event = recorded.stream_id, recorded.event
        standings = batch.rows(DISCOVERY_STANDING)
        influencers, salons = batch.rows(DISCOVERY_INFLUENCERS), batch.rows(DISCOVERY_SALONS)
        match event:
            case AccountRegistered():
                standings.put(_registered(account_id, event))
                return
            case AccountDeleted():
                for rows in (standings, influencers, salons):
                    rows.delete(account_id)
                return
            case _:
                pass
        standing = standings.change(account_id)
        influencer, salon = influencers.change(account_id), salons.change(account_id)
        if standing is None:
            return
        match event:
            case InfluencerOnboardingCompleted() | InfluencerProfileRevised():
                since = recorded.at if influencer is None else influencer.onboarded_at
                influencer = _influencer(account_id, event, since)
                influencers.put(influencer)
            case SalonOnboardingCompleted() | SalonProfileRevised():
                since = recorded.at if salon is None else salon.onboarded_at
                salon = _salon(account_id, event, since)
                salons.put(salon)
            case _:
                _change(standing, event)
        for row, role in ((influencer, Role.INFLUENCER), (salon, Role.SALON)):
            if row is not None:
                row.shown = standing.may_be_found_as(role)
                row.avatar_url = standing.avatar_url


def _registered(account_id: UUID, event: AccountRegistered) -> StandingRow:
    return StandingRow(
        account_id,
        event.role.value,
        event.status.value,
        # Whoever came in by a phone has shown that it is theirs, and has no address to verify.
        verified=event.channel is RegistrationChannel.PHONE_OTP,
    )


def _change(standing: StandingRow, event: DomainEvent) -> None:
    match event:
        case EmailVerified():
            standing.verified = True
        case AvatarChanged():
            standing.avatar_url = event.url
        case _:
            decide(standing, event)


def _influencer(
    account_id: UUID, event: InfluencerOnboardingCompleted | InfluencerProfileRevised, onboarded_at: datetime
) -> InfluencerRow:
    return InfluencerRow(
        account_id,
        onboarded_at,
        shown=False,
        display_name=event.display_name,
        bio=event.bio,
        categories=list(event.categories),
        region=event.region,
        region_key=region_key(event.region),
        words=_words(event.display_name),
        avatar_url=None,
    )


def _salon(
    account_id: UUID, event: SalonOnboardingCompleted | SalonProfileRevised, onboarded_at: datetime
) -> SalonRow:
    return SalonRow(
        account_id,
        onboarded_at,
        shown=False,
        business_name=event.business_name,
        description=event.description,
        categories=list(event.categories),
        region=event.region,
        region_key=region_key(event.region),
        address=event.address,
        words=_words(event.business_name),
        avatar_url=None,
    )


def region_key(region: str) -> str:
    """By what a region is known again, however it is written."""
    return fold(region).strip()


def _words(name: str) -> str:
    # As PostgreSQL writes a `tsvector`, too: each word once, between quotes, in the order of bytes.
    words = sorted(set(words_of(name)))
    return "'" + "' '".join(words) + "'" if words else ""
