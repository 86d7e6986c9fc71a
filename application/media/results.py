"""Answers of the commands about media."""

from uuid import UUID

from application.shared.command import Outcome


class AvatarSet(Outcome, frozen=True, kw_only=True):
    """An account shows another picture. Where, is personal, and stands in the account."""

    account_id: UUID
    media_id: UUID

    @property
    def stream_id(self) -> UUID:
        """The account's."""
        return self.account_id
