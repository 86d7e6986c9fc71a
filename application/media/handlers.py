"""Use cases of media."""

from typing import Final

from application.accounts.authority import acting_account
from application.media.commands import DeleteMedia, SetAvatar
from application.media.results import AvatarSet
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.accounts import profile
from domain.media.events import MediaKind
from domain.media.media import Media, MediaNotFound, evolve
from domain.shared.errors import AccessDenied, NotPermitted


def set_avatar(command: SetAvatar, unit: Unit) -> AvatarSet:
    """Note where the picture lies, and that the account shows it, in one commit.

    The one before is taken away afterwards, by a workflow: see `application.media.policies`.
    """
    account = acting_account(unit)
    if account.account_id != command.account_id:
        raise AccessDenied("This is not your account.")
    shown = profile.set_picture(account, media_id=command.media_id, url=command.url)
    unit.create(
        Media,
        command.media_id,
        Media.upload(
            owner_id=account.account_id,
            kind=MediaKind.IMAGE,
            content_type=command.content_type,
            size_bytes=command.size_bytes,
            sha256=command.sha256,
            storage_key=command.storage_key,
            url=command.url,
            width=command.width,
            height=command.height,
        ),
    )
    unit.record(account, shown)
    return AvatarSet(account_id=account.account_id, media_id=command.media_id)


def delete_media(command: DeleteMedia, unit: Unit) -> Media:
    """Take a file out of sight.

    Raises:
        NotPermitted: it follows from what happens to what showed the file; nobody asks for it.
        MediaNotFound: there never was such a file.
    """
    if not unit.caller.is_system:
        raise NotPermitted("Files go when nothing shows them any more.")
    media = unit.get(Media, command.media_id, missing=MediaNotFound(f"No file {command.media_id}."))
    return unit.record(media, media.delete(by=command.by))


HANDLERS: Final[dict[type[Command], Handler]] = {
    SetAvatar: set_avatar,
    DeleteMedia: delete_media,
}

KINDS: Final = (Kind("media", Media, evolve),)
