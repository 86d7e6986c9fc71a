"""What is left of a picture that somebody sent: what can be seen, upright, and of a modest size (MED-05)."""

import asyncio
import random
import threading
import time

import pytest

from application.shared.command import Overloaded
from domain.media.image_files import FileTooLarge, ImageType, InvalidFileType
from infrastructure.files.images import PIXELS_MAXIMUM, PillowPortraits, draw
from infrastructure.files.threads import BoundedThreads
from tests.support.pictures import GPS, animation, bomb, opened, photograph, picture, webp_bomb

TYPES = [(ImageType.JPEG, "JPEG"), (ImageType.PNG, "PNG"), (ImageType.WEBP, "WEBP"), (ImageType.GIF, "GIF")]


@pytest.mark.parametrize(("image_type", "form"), TYPES)
def test_a_picture_of_every_type_is_drawn_anew(image_type: ImageType, form: str) -> None:
    drawn = draw(picture(form, (40, 30)), image_type)
    shown = opened(drawn.content)
    assert (shown.format, drawn.content_type, shown.size) == ("WEBP", "image/webp", (40, 30))
    red, green, blue = shown.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert red > 180
    assert max(green, blue) < 80


@pytest.mark.parametrize(
    ("image_type", "form"), [(ImageType.JPEG, "JPEG"), (ImageType.PNG, "PNG"), (ImageType.WEBP, "WEBP")]
)
def test_where_and_with_what_a_photograph_was_taken_stays_behind(image_type: ImageType, form: str) -> None:
    sent = photograph(form)
    assert b"Camera of Nodira" in sent
    kept = draw(sent, image_type).content
    for told in (GPS, b"Camera", b"profile ", b"EXIF", b"Exif", b"ICCP", b"XMP "):
        assert told not in kept
    assert not opened(kept).getexif()


def test_nothing_that_was_hung_onto_a_picture_is_kept() -> None:
    hidden = b"<script>alert(1)</script>"
    assert hidden not in draw(picture("PNG") + hidden, ImageType.PNG).content


@pytest.mark.parametrize(
    ("image_type", "form"), [(ImageType.JPEG, "JPEG"), (ImageType.PNG, "PNG"), (ImageType.WEBP, "WEBP")]
)
def test_a_photograph_is_turned_as_it_was_held(image_type: ImageType, form: str) -> None:
    turned = draw(photograph(form, size=(64, 32), orientation=6), image_type)
    assert (turned.width, turned.height) == (32, 64)
    # Turned to the right, the left upper corner comes to lie on the right.
    assert opened(turned.content).convert("RGB").getpixel((28, 4))[0] > 180  # type: ignore[index]


def test_of_a_moving_picture_the_first_frame_is_kept() -> None:
    shown = opened(draw(animation(), ImageType.GIF).content)
    assert getattr(shown, "n_frames", 1) == 1
    assert shown.convert("RGB").getpixel((4, 4))[0] > 180  # type: ignore[index]


def test_what_can_be_seen_through_stays_so() -> None:
    shown = opened(draw(picture("PNG", mode="RGBA"), ImageType.PNG).content)
    assert shown.convert("RGBA").getpixel((7, 5))[3] == 0  # type: ignore[index]


def test_a_large_picture_is_made_smaller_and_keeps_its_form() -> None:
    drawn = draw(picture("JPEG", (8000, 4000)), ImageType.JPEG)
    assert (drawn.width, drawn.height) == (1024, 512)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA"])
def test_grey_pale_and_old_pictures_are_read_too(mode: str) -> None:
    assert draw(picture("PNG", mode=mode), ImageType.PNG).width == 8


def test_a_picture_for_the_press_is_read_too() -> None:
    assert draw(picture("JPEG", mode="CMYK"), ImageType.JPEG).width == 8


class TestHarm:
    @pytest.mark.parametrize(
        ("content", "image_type"),
        [
            pytest.param(bomb(), ImageType.PNG, id="png of 3600 megapixels"),
            pytest.param(bomb(10_000, 10_000), ImageType.PNG, id="png of 100 megapixels"),
            pytest.param(bomb(4_001, 4_000), ImageType.PNG, id="png of a little more than 16 megapixels"),
            pytest.param(webp_bomb(), ImageType.WEBP, id="webp"),
        ],
    )
    def test_a_small_file_that_claims_to_be_a_giant_is_refused_before_it_takes_memory(
        self, content: bytes, image_type: ImageType
    ) -> None:
        assert len(content) < 1000
        began = time.perf_counter()
        with pytest.raises(FileTooLarge) as refused:
            draw(content, image_type)
        assert time.perf_counter() - began < 1
        assert refused.value.details == {"maximumPixels": PIXELS_MAXIMUM[image_type]}

    @pytest.mark.parametrize(("image_type", "form"), TYPES)
    def test_a_picture_that_breaks_off_is_refused(self, image_type: ImageType, form: str) -> None:
        whole = picture(form, (40, 30))
        for length in (0, 12, 20, 29, len(whole) // 2):
            with pytest.raises(InvalidFileType):
                draw(whole[:length], image_type)

    @pytest.mark.parametrize(("image_type", "form"), TYPES)
    def test_a_file_made_to_break_decoders_is_refused_or_drawn_and_breaks_nothing(
        self, image_type: ImageType, form: str
    ) -> None:
        chance = random.Random(7)
        whole = picture(form, (40, 30))
        for _ in range(60):
            broken = bytearray(whole)
            for _ in range(chance.randint(1, 8)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            try:
                draw(bytes(broken), image_type)
            except (InvalidFileType, FileTooLarge):
                continue

    def test_a_file_is_given_to_the_decoder_of_its_type_alone(self) -> None:
        with pytest.raises(InvalidFileType):
            draw(picture("PNG"), ImageType.JPEG)
        with pytest.raises(InvalidFileType):
            draw(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", ImageType.PNG)


async def test_pictures_are_drawn_beside_the_event_loop() -> None:
    portraits = PillowPortraits()
    try:
        drawn = await portraits.draw(picture(), ImageType.PNG)
        assert drawn.content_type == "image/webp"
        assert "RIFF" not in repr(drawn)
    finally:
        portraits.close()


async def test_a_flood_of_pictures_is_refused_early() -> None:
    threads = BoundedThreads("test", threads=1, waiting_maximum=2)
    go = threading.Event()
    try:
        waiting = [asyncio.create_task(threads.run(go.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await threads.run(lambda: None)
        go.set()
        await asyncio.gather(*waiting)
        assert await threads.run(lambda: 7) == 7
    finally:
        go.set()
        threads.close()
