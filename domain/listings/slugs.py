"""Slugs: the readable part of an address (requirements LST-04). Letters a to z, digits, single hyphens between words."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from domain.shared.errors import InvalidInput, Problem, RuleViolation

MIN_SLUG_LENGTH: Final = 2
MAX_SLUG_LENGTH: Final = 255
SLUG_PATTERN: Final = "^[a-z0-9]+(-[a-z0-9]+)*$"

NUMBERED_SLUGS: Final = 50
"""How many numbered slugs are tried before one is made from the owner's id."""

_WHOLE_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_BREAKS: Final = re.compile(r"[\s\-_/]+")
_REFUSE: Final = re.compile(r"[^a-z0-9\-]", re.ASCII)
_HYPHENS: Final = re.compile(r"-{2,}")


class SlugInvalid(InvalidInput):
    """The slug asked for could not stand in an address."""


class SlugTaken(RuleViolation):
    """Something else of this kind has the slug."""

    code = "SLUG_TAKEN"


def check_slug(slug: str) -> str:
    """The slug itself, when it may stand in an address.

    Raises:
        SlugInvalid: it has other characters or another length than a slug.
    """
    if not (MIN_SLUG_LENGTH <= len(slug) <= MAX_SLUG_LENGTH and _WHOLE_SLUG.fullmatch(slug)):
        message = (
            f"A slug has {MIN_SLUG_LENGTH} to {MAX_SLUG_LENGTH} characters: lower-case letters a to z, digits, "
            "and single hyphens between them."
        )
        raise SlugInvalid(message, problems=[Problem("slug", message, "pattern")])
    return slug


def derive_slug(name: str, fallback: str) -> str:
    """The slug of a name: accents are taken off its letters, white space, `-`, `_` and `/` part words, the rest is dropped.

    `fallback` when fewer than two characters are left, as of a name in another script.
    """
    plain = unicodedata.normalize("NFKD", name.lower())
    words = _BREAKS.sub("-", "".join(_plain(letter) for letter in plain))
    slug = _HYPHENS.sub("-", _REFUSE.sub("", words.lower())).strip("-")
    slug = slug[:MAX_SLUG_LENGTH].rstrip("-")
    return slug if len(slug) >= MIN_SLUG_LENGTH else fallback


def slug_choices(stem: str) -> Iterator[str]:
    """The slug itself, then `-2`, `-3`, ... as long as numbers are tried."""
    yield stem
    for number in range(2, NUMBERED_SLUGS + 1):
        yield suffixed(stem, str(number))


def suffixed(stem: str, suffix: str) -> str:
    """The slug with a last word, shortened so that both fit."""
    return f"{stem[: MAX_SLUG_LENGTH - len(suffix) - 1].rstrip('-')}-{suffix}"


def _plain(letter: str) -> str:
    # Dashes of all lengths part words as the hyphen does.
    return "-" if unicodedata.category(letter) == "Pd" else letter
