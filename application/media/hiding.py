"""The picture of an account that ends: hidden in the same commit, so that nobody is shown it any more (ADR 0013)."""

from uuid import UUID

from application.shared.unit import Unit
from domain.accounts.account import Account
from domain.media.media import Media


def hide_picture(account: Account, unit: Unit, *, by: UUID) -> None:
    """Show the account's picture to nobody any more; the file goes afterwards, see `application.media.policies`."""
    picture = None if account.avatar_id is None else unit.find(Media, account.avatar_id)
    if picture is not None:
        unit.record(picture, picture.delete(by=by))
