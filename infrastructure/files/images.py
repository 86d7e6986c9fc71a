"""Pictures of people, drawn anew with Pillow: what is kept is what can be seen, and nothing else (requirements MED-05).

A file from a stranger is decoded by the one decoder of its type, in a thread, after its header was asked how many pixels
it has: a few kilobytes can claim to be gigabytes. Position, camera, texts and colour profile stay behind; whatever else
was hidden in the file does, too, for not one of its bytes is copied.
"""

from io import BytesIO
from typing import TYPE_CHECKING, Final

from application.media.ports import Picture
from domain.media.image_files import FileTooLarge, ImageType, InvalidFileType
from infrastructure.files.threads import BoundedThreads

if TYPE_CHECKING:
    from PIL.Image import Image

PIXELS_MAXIMUM: Final = {
    ImageType.JPEG: 50_000_000,
    ImageType.PNG: 16_000_000,
    ImageType.WEBP: 16_000_000,
    ImageType.GIF: 16_000_000,
}
"""What the cameras of phones take, which is JPEG and decoded no larger than needed. Others are decoded whole, which takes up to
350 MB (WebP, whose decoder keeps three canvases)."""

SIDE_PIXELS: Final = 1024
"""Larger pictures are made smaller; nobody is shown larger than that."""

QUALITY: Final = 85
THREADS: Final = 1
"""The memory that drawing takes, once; a picture of a phone takes half a second."""

WAITING_MAXIMUM: Final = 32

_FORMATS: Final = {
    ImageType.JPEG: "JPEG",
    ImageType.PNG: "PNG",
    ImageType.WEBP: "WEBP",
    ImageType.GIF: "GIF",
}


class PillowPortraits:
    """Implements `application.media.ports.Portraits`: WebP, upright, at most 1024 pixels a side, standing still."""

    def __init__(self) -> None:
        """No thread is started before it is needed."""
        self._threads = BoundedThreads("pictures", threads=THREADS, waiting_maximum=WAITING_MAXIMUM)

    async def draw(self, content: bytes, image_type: ImageType) -> Picture:
        """See the port."""
        return await self._threads.run(lambda: draw(content, image_type))

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()


def draw(content: bytes, image_type: ImageType) -> Picture:
    """Decode a picture and draw it anew; takes up to a second.

    Raises:
        InvalidFileType, FileTooLarge: see the port.
    """
    image = _decoded(content, image_type)
    image.info = {}  # What Pillow would copy into the new file: profiles, comments.
    drawn = BytesIO()
    image.save(drawn, "WEBP", quality=QUALITY, method=4)
    return Picture(
        content=drawn.getvalue(), content_type="image/webp", width=image.width, height=image.height
    )


def _decoded(content: bytes, image_type: ImageType) -> "Image":
    # A twentieth of a second to import, for something that most processes never do.
    from PIL import Image, ImageOps

    unreadable = InvalidFileType(f"The file cannot be read as {image_type.value}.")
    try:
        if image_type is ImageType.WEBP:
            _check_pixels(_webp_canvas(content), image_type)
        with Image.open(BytesIO(content), formats=(_FORMATS[image_type],)) as opened:
            _check_pixels(opened.size, image_type)
            # JPEG can be decoded smaller than it is, which spares memory; other types do not care.
            opened.draft("RGB", (SIDE_PIXELS, SIDE_PIXELS))
            opened.load()
            image = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
        image.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
        return ImageOps.exif_transpose(image)
    except FileTooLarge:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(image_type) from error
    except Exception as error:
        # Decoders fail in their own ways over files that are broken or made to break them: the file is at fault.
        raise unreadable from error


def _check_pixels(size: tuple[int, int], image_type: ImageType) -> None:
    if size[0] * size[1] > PIXELS_MAXIMUM[image_type]:
        raise _too_many_pixels(image_type)


def _too_many_pixels(image_type: ImageType) -> FileTooLarge:
    maximum = PIXELS_MAXIMUM[image_type]
    return FileTooLarge(
        f"An image of type {image_type.value} has at most {maximum} pixels.",
        details={"maximumPixels": maximum},
    )


def _webp_canvas(content: bytes) -> tuple[int, int]:
    """Width and height by the header (RFC 9649): the decoder takes memory for all of it before it tells.

    Raises:
        ValueError: it is none.
    """
    chunk, body = content[12:16], content[20:30]
    if len(body) < 10:
        raise ValueError("The file ends in its header.")
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        sides = int.from_bytes(body[6:8], "little"), int.from_bytes(body[8:10], "little")
        return sides[0] & 0x3FFF, sides[1] & 0x3FFF
    raise ValueError("The file has no image in it.")
