"""Who holds an email address, asked of the claims themselves: true at this moment, without a read model."""

from uuid import UUID

from application.accounts.handlers import EMAIL
from application.shared.store import EventStore, Kind
from domain.shared.claims import Claim, derived_id, evolve

_CLAIM = Kind("claim", Claim, evolve)


class ClaimedEmails:
    """`EmailHolders` over the event store."""

    def __init__(self, store: EventStore) -> None:
        """`store` is where the claims are."""
        self._store = store

    async def holder_of_email(self, email: str) -> UUID | None:
        """The account that holds a normalised address."""
        claim_id = derived_id(EMAIL, email)
        state = (await self._store.load({claim_id: _CLAIM}))[claim_id].state
        return state.owner_id if isinstance(state, Claim) else None
