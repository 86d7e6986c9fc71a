"""Which files pass as images (MED-01 to MED-05, MED-08): declared type, extension and first bytes must agree."""

import pytest

from domain.media.image_files import (
    IMAGE_BYTES_MAXIMUM,
    FileExtensionMismatch,
    FileTooLarge,
    ImageType,
    InvalidFileType,
    check_image,
)

JPEG = b"\xff\xd8\xff\xe0..."
PNG = b"\x89PNG\r\n\x1a\n..."
GIF = b"GIF89a..."
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 "
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.mark.parametrize(
    ("declared", "name", "content", "found"),
    [
        ("image/jpeg", "me.jpg", JPEG, ImageType.JPEG),
        ("image/jpeg", "me.jpeg", JPEG, ImageType.JPEG),
        ("image/jpg", "me.jpg", JPEG, ImageType.JPEG),
        ("image/jpg", "me.JPEG", JPEG, ImageType.JPEG),
        ("IMAGE/PNG; charset=binary", "me.png", PNG, ImageType.PNG),
        ("image/webp", "my.best.webp", WEBP, ImageType.WEBP),
        ("image/gif", "me.gif", GIF, ImageType.GIF),
        ("image/gif", "me.gif", b"GIF87a", ImageType.GIF),
    ],
)
def test_every_allowed_type_is_taken_under_its_own_extensions(
    declared: str, name: str, content: bytes, found: ImageType
) -> None:
    assert check_image(file_name=name, declared_type=declared, content=content) is found


@pytest.mark.parametrize(
    ("declared", "name", "content"),
    [
        ("image/svg+xml", "me.svg", SVG),
        ("image/bmp", "me.bmp", b"BM"),
        ("text/html", "me.html", HTML),
        ("application/octet-stream", "me.png", PNG),
        ("", "me.png", PNG),
        ("image/", "me.png", PNG),
    ],
)
def test_any_other_type_is_refused_and_the_allowed_ones_are_named(
    declared: str, name: str, content: bytes
) -> None:
    with pytest.raises(InvalidFileType) as refused:
        check_image(file_name=name, declared_type=declared, content=content)
    assert refused.value.details["allowedTypes"] == [
        "image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif",
    ]  # fmt: skip
    assert "image/webp" in refused.value.message


@pytest.mark.parametrize(
    "content", [SVG, HTML, JPEG, b"", b"\x89PNG", b" \x89PNG\r\n\x1a\n", b"RIFF....WAVE"]
)
def test_a_file_that_only_says_it_is_an_image_is_found_out_by_its_first_bytes(content: bytes) -> None:
    with pytest.raises(InvalidFileType):
        check_image(file_name="me.png", declared_type="image/png", content=content)


@pytest.mark.parametrize(
    "name", ["me.jpg", "me", "", "png", ".png.exe", "me.png ", "me.png/", "me.png\x00.jpg"]
)
def test_the_extension_must_be_one_of_the_declared_type(name: str) -> None:
    with pytest.raises(FileExtensionMismatch) as refused:
        check_image(file_name=name, declared_type="image/png", content=PNG)
    assert refused.value.details["extensions"] == ["png"]


def test_the_largest_image_has_five_megabytes() -> None:
    largest = PNG + b"\x00" * (IMAGE_BYTES_MAXIMUM - len(PNG))
    assert check_image(file_name="me.png", declared_type="image/png", content=largest) is ImageType.PNG
    with pytest.raises(FileTooLarge):
        check_image(file_name="me.png", declared_type="image/png", content=largest + b"\x00")
