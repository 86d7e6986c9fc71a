"""Pictures for tests, made with Pillow: good ones, and those that somebody made to do harm."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

GPS = b"41.2995N69.2401E"
"""Where a photograph was taken, as it stands in the file."""


def picture(form: str = "PNG", size: tuple[int, int] = (8, 6), mode: str = "RGB", **how: Any) -> bytes:
    """A plain picture whose left upper corner is red."""
    image = Image.new(mode, size)
    if mode in {"RGB", "RGBA"}:
        red = (255, 0, 0) if mode == "RGB" else (255, 0, 0, 255)
        image.paste(red, (0, 0, max(1, size[0] // 2), max(1, size[1] // 2)))
    return _saved(image, form, **how)


def photograph(form: str = "JPEG", size: tuple[int, int] = (64, 32), orientation: int = 1) -> bytes:
    """A picture with all that a camera writes beside it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera of Nodira"
    exif[0x9286] = GPS.decode()
    return picture(
        form, size, exif=exif, icc_profile=b"profile " * 40, comment=GPS, xmp=b"<x>" + GPS + b"</x>"
    )


def animation() -> bytes:
    """Three frames, the first one red."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    return _saved(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=GPS)


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few hundred bytes that claims to be gigabytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


def webp_bomb() -> bytes:
    """A WebP whose header claims the largest canvas that there can be."""
    content = bytearray(picture("WEBP", exif=b"Exif\0\0" + bytes(8)))
    assert content[12:16] == b"VP8X"
    content[24:30] = b"\xfe\x3f\x00\xfe\x3f\x00"
    return bytes(content)


def opened(content: bytes) -> Image.Image:
    """A picture to look at."""
    return Image.open(BytesIO(content))


def _saved(image: Image.Image, form: str, **how: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **how)
    return file.getvalue()
