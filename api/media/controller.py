"""Files as everybody sees them, under addresses that stay, so that no bucket has to be public (requirements MED-07)."""

from typing import Any, Final
from uuid import UUID

import structlog
from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from api.assembly import services_of
from api.context import context_of
from api.openapi import NOT_A_QUERY, errors
from application.media.handlers import KINDS
from domain.media.image_files import ImageType
from domain.media.media import Media, MediaNotFound

_MEDIA: Final = next(kind for kind in KINDS if kind.state is Media)
_SHOWN: Final = frozenset(each.value for each in ImageType)

CACHING: Final = "public, max-age=86400, immutable"
"""A file never changes under its address. It may be deleted, and then a cache shows it for a day at most."""

log: Final = structlog.get_logger(__name__)


class MediaController(Controller):
    """Pictures."""

    path = "/media"
    tags = ("Media",)

    @get(
        "/{media_id:uuid}",
        summary="Show a picture",
        media_type="image/webp",
        opt=NOT_A_QUERY,
        responses={
            304: ResponseSpec(
                None, description="What `If-None-Match` names is still the same.", generate_examples=False
            ),
            **errors("RESOURCE_NOT_FOUND", "UPSTREAM_UNAVAILABLE", "OVERLOADED"),
        },
    )
    async def show(self, request: Request[Any, Any, Any], media_id: FromPath[UUID]) -> Response[bytes]:
        """The file itself. It never changes under its address; once it is deleted there is nothing."""
        services = services_of(request)
        media = (await services.store.load({media_id: _MEDIA}))[media_id].state
        missing = MediaNotFound(f"No file {media_id}.")
        if not isinstance(media, Media) or media.deleted:
            raise missing
        tag = f'"media-{media_id}"'
        headers = {"ETag": tag, "Cache-Control": CACHING}
        if _names(context_of(request).headers.get(b"if-none-match", b""), tag):
            return Response(b"", status_code=304, headers=headers)
        content = await services.files.get(media.storage_key)
        if content is None:
            log.error("media_file_missing", media_id=media_id)
            raise missing
        if media.content_type not in _SHOWN:
            headers["Content-Disposition"] = "attachment"
        return Response(content, media_type=media.content_type, headers=headers)


def _names(header: bytes, tag: str) -> bool:
    """Whether an `If-None-Match` has a tag in it (RFC 9110 §13.1.2)."""
    members = (each.strip().removeprefix("W/") for each in header.decode("latin-1").split(","))
    return any(each in {tag, "*"} for each in members)


CONTROLLERS: tuple[type[Controller], ...] = (MediaController,)
