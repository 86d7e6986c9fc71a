"""Slugs: what a name looks like in an address."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.listings.slugs import (
    MAX_SLUG_LENGTH,
    NUMBERED_SLUGS,
    SLUG_PATTERN,
    SlugInvalid,
    check_slug,
    derive_slug,
    slug_choices,
    suffixed,
)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Blue Teapot", "blue-teapot"),
        ("  Blue   Teapot  ", "blue-teapot"),
        ("Café Crème Brûlée", "cafe-creme-brulee"),
        ('Mike\'s "Best" (new) 3.5mm: jack!', "mikes-best-new-35mm-jack"),
        ("a*b+c~d.e@f", "abcdef"),
        ("USB-C / HDMI_cable", "usb-c-hdmi-cable"),
        ("Tea — for two", "tea-for-two"),
        ("Salt & Pepper", "salt-pepper"),
        ("O'zbek choyi, 250 g", "ozbek-choyi-250-g"),
        ("Trademark™", "trademarktm"),
        ("Чайник", "listing"),
        ("!?", "listing"),
        ("x!", "listing"),
    ],
)
def test_a_name_becomes_an_address(name: str, slug: str) -> None:
    assert derive_slug(name, "listing") == slug


@given(st.text(max_size=600))
def test_every_name_becomes_a_slug_that_is_allowed(name: str) -> None:
    slug = derive_slug(name, "listing")
    assert check_slug(slug) == slug
    assert re.search(SLUG_PATTERN, slug)


@given(
    st.text(alphabet="ab -", min_size=2, max_size=400),
    st.text(alphabet="0123456789abcdef", min_size=1, max_size=8),
)
def test_a_slug_with_a_number_still_fits(name: str, suffix: str) -> None:
    slug = suffixed(derive_slug(name, "listing"), suffix)
    assert check_slug(slug).endswith(f"-{suffix}")


def test_a_long_name_is_cut_to_what_fits() -> None:
    assert len(derive_slug("word " * 100, "listing")) <= MAX_SLUG_LENGTH


def test_numbers_start_at_two() -> None:
    choices = list(slug_choices("teapot"))
    assert choices[:3] == ["teapot", "teapot-2", "teapot-3"]
    assert len(choices) == len(set(choices)) == NUMBERED_SLUGS


@pytest.mark.parametrize(
    "slug", ["", "a", "A-b", "a_b", "a b", "a--b", "-ab", "ab-", "ab\n", "äb", "x" * 256]
)
def test_other_slugs_are_refused_by_name(slug: str) -> None:
    with pytest.raises(SlugInvalid) as refused:
        check_slug(slug)
    assert [problem.field for problem in refused.value.problems] == ["slug"]
