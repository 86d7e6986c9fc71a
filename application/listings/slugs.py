"""Reserving a slug for whoever has one (requirements LST-04, CAT-01, ES-14)."""

from itertools import islice
from uuid import UUID

from application.shared.unit import Unit
from domain.listings.slugs import SlugTaken, check_slug, derive_slug, slug_choices, suffixed
from domain.shared.claims import Claim, derived_id
from domain.shared.events import State

# A free slug is nearly always among the first. Each stage costs one query at most, however many it looks at.
_STAGES = (1, 9, None)


def slug_streams(
    kind: str, wanted: str | None, *, name: str, fallback: str
) -> list[tuple[type[State], UUID]]:
    """What `reserve_slug` looks at first, for `Unit.need`."""
    first = derive_slug(name, fallback) if wanted is None else wanted
    return [(Claim, derived_id(kind, first))]


def reserve_slug(
    unit: Unit, kind: str, wanted: str | None, *, name: str, fallback: str, owner_id: UUID
) -> str:
    """Take the slug that was asked for, or else the first free one of `name`, `name-2`, `name-3`, ...

    When all numbered ones are gone, it ends in the last eight digits of the owner's id, which nobody shares.

    Raises:
        SlugInvalid: the slug that was asked for could not stand in an address.
        SlugTaken: somebody else has the slug that was asked for.
    """
    if wanted is not None:
        return _take(unit, kind, check_slug(wanted), owner_id)
    stem = derive_slug(name, fallback)
    choices = slug_choices(stem)
    for size in _STAGES:
        stage = list(islice(choices, size))
        unit.need(*((Claim, derived_id(kind, slug)) for slug in stage))
        for slug in stage:
            if unit.holder(kind, slug) is None:
                return _take(unit, kind, slug, owner_id)
    return _take(unit, kind, suffixed(stem, owner_id.hex[-8:]), owner_id)


def _take(unit: Unit, kind: str, slug: str, owner_id: UUID) -> str:
    taken = SlugTaken(f"The slug {slug} is taken.", details={"slug": slug})
    unit.claim(kind, slug, owner_id, taken=taken)
    return slug
