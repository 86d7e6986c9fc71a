"""The picture that people show of themselves (requirements ACC-32, MED-08)."""

from typing import Final

from litestar import Controller, Response, post
from litestar.di import NamedDependency

from api.accounts.answers import AnyRequest, note
from api.accounts.current import current_account
from api.accounts.failures import breaking_as
from api.accounts.views import OwnProfileView
from api.assembly import services_of
from api.envelope import Envelope, envelope
from api.openapi import errors
from api.submission import recorded, submit
from api.uploads import one_file, read_file
from application.shared.caller import Caller
from application.shared.command import Overloaded
from domain.media.image_files import ALLOWED
from domain.shared.errors import DomainError

FIELD: Final = "profilePic"
DESCRIPTION: Final = (
    "A JPEG, PNG, WebP or GIF of at most 5 MB (5 242 880 bytes) and 16 megapixels (JPEG: 50). Its declared type, the "
    "extension of its name and its content must agree."
)


class PictureController(Controller):
    """One's own picture."""

    path = "/profile"
    tags = ("Accounts",)

    @post(
        "/me/picture",
        status_code=200,
        summary="Show another picture of me",
        opt=one_file(FIELD, DESCRIPTION, ALLOWED),
        responses=errors(
            "INVALID_FILE_TYPE",
            "FILE_EXTENSION_MISMATCH",
            "TOO_MANY_FILES",
            "FILE_TOO_LARGE",
            "PROFILE_UPDATE_FAILED",
            "UPSTREAM_UNAVAILABLE",
        ),
        exception_handlers=breaking_as("PROFILE_UPDATE_FAILED"),
    )
    async def set_picture(
        self, request: AnyRequest, caller: NamedDependency[Caller]
    ) -> Response[Envelope[OwnProfileView]]:
        """Send a picture in a form and show it from now on, instead of the one before, which is deleted.

        It is drawn anew, upright and at most 1024 pixels a side, without place, camera and whatever else was in the file; of
        a moving one the first frame is shown. `avatarUrl` is where everybody sees it.
        """
        assert caller.actor_id is not None, "whoever is signed in has an account"
        services = services_of(request)
        upload = await read_file(request, FIELD)
        command = await services.pictures.take_in(upload, caller.actor_id)
        try:
            answer = await submit(
                request,
                command,
                lambda _: None,
                kind="account",
                entity=caller.actor_id,
                # Clients draw the boundary of a form anew when they repeat it.
                sent=upload.as_bytes(),
            )
        except (DomainError, Overloaded):
            await services.pictures.give_up(command)
            raise
        if recorded(answer):
            note(request, "account_picture_changed", caller.actor_id, caller.role, media_id=command.media_id)
        else:
            await services.pictures.give_up(command)
        # What is kept for an equal request holds no personal data, so the profile is shown as it stands.
        account = (await current_account(services.store, caller.actor_id)).account
        return Response(
            envelope(OwnProfileView.of(account), meta=answer.content.meta or None),
            headers=dict(answer.headers),
        )
