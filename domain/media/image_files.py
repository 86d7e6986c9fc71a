"""Which files pass as images: by their declared type, their name, their size and their first bytes (MED-01 to MED-05).

What a client says of a file proves nothing, so all three must agree. Whether the rest can be decoded is found out later.
"""

from enum import StrEnum
from typing import Final

from domain.shared.errors import DomainError, InvalidInput

IMAGE_BYTES_MAXIMUM: Final = 5 * 1024 * 1024


class ImageType(StrEnum):
    """The types of images that are taken, by their registered names."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"


ALLOWED: Final = ("image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif")
"""What a client may declare; `image/jpg` is what many say for JPEG."""

EXTENSIONS: Final = {
    ImageType.JPEG: ("jpg", "jpeg"),
    ImageType.PNG: ("png",),
    ImageType.WEBP: ("webp",),
    ImageType.GIF: ("gif",),
}


class InvalidFileType(InvalidInput):
    """The file is none of the types that are taken, whatever it says it is."""

    code = "INVALID_FILE_TYPE"

    def __init__(self, message: str) -> None:
        """The allowed types are named beside `message`."""
        super().__init__(
            f"{message} Allowed types: {', '.join(ALLOWED)}.", details={"allowedTypes": list(ALLOWED)}
        )


class FileExtensionMismatch(InvalidInput):
    """The name of the file ends as those of another type do."""

    code = "FILE_EXTENSION_MISMATCH"


class FileTooLarge(DomainError):
    """The file has more bytes, or the image more pixels, than are taken."""

    code = "FILE_TOO_LARGE"


class TooManyFiles(InvalidInput):
    """More files came in one request than are taken."""

    code = "TOO_MANY_FILES"


def check_image(*, file_name: str, declared_type: str, content: bytes) -> ImageType:
    """Find out what an image is; nothing of its name is kept, or said to anybody.

    Raises:
        InvalidFileType: the declared type is not allowed, or the first bytes are not of that type.
        FileExtensionMismatch: the extension is not one of the declared type's.
        FileTooLarge: it has more than `IMAGE_BYTES_MAXIMUM` bytes.
    """
    declared = declared_type.partition(";")[0].strip().lower()
    if declared not in ALLOWED:
        raise InvalidFileType("Files of this type are not taken.")
    image_type = ImageType.JPEG if declared == "image/jpg" else ImageType(declared)
    extension = file_name.rpartition(".")[2].lower() if "." in file_name else ""
    if extension not in EXTENSIONS[image_type]:
        endings = ", ".join(f".{each}" for each in EXTENSIONS[image_type])
        raise FileExtensionMismatch(
            f"The name of a file of type {image_type.value} ends in one of: {endings}.",
            details={"type": image_type.value, "extensions": list(EXTENSIONS[image_type])},
        )
    if len(content) > IMAGE_BYTES_MAXIMUM:
        raise FileTooLarge(
            f"An image has at most {IMAGE_BYTES_MAXIMUM} bytes.",
            details={"maximumBytes": IMAGE_BYTES_MAXIMUM},
        )
    if type_of(content) is not image_type:
        raise InvalidFileType(f"The content of the file is not {image_type.value}.")
    return image_type


def type_of(content: bytes) -> ImageType | None:
    """The type of an image by its first bytes; `None` for anything else, such as SVG or HTML."""
    if content.startswith(b"\xff\xd8\xff"):
        return ImageType.JPEG
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageType.PNG
    if content.startswith((b"GIF87a", b"GIF89a")):
        return ImageType.GIF
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return ImageType.WEBP
    return None
