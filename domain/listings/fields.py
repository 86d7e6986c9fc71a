"""The parts of a listing that are more than a word or a number (requirements §7)."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from domain.shared.errors import InvalidInput, Problem

MAX_MEASURE: Final = Decimal("999999.99")
"""Eight digits, two of them after the point (requirements LST-11)."""

_HUNDREDTH: Final = Decimal("0.01")
MIN_SKU_LENGTH: Final = 2
MAX_SKU_LENGTH: Final = 100


class ProductType(StrEnum):
    """How a listing is fulfilled once it is paid (requirements LST-20): sent, licensed (LIC-02), or credited (WAL-03)."""

    PHYSICAL = "physical"
    LICENSE = "license"
    CREDITS = "credits"


class Dimensions(msgspec.Struct, frozen=True, kw_only=True):
    """The outer size of a parcel, in the marketplace's unit of length."""

    length: Decimal
    width: Decimal
    height: Decimal


class LicenceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer of a licence gets: so many devices, for so many days from the purchase (`None`: for ever)."""

    max_activations: int = 1
    valid_days: int | None = None


class ListingInvalid(InvalidInput):
    """A field has a value that no listing can have."""


def clean_sku(sku: str) -> str:
    """A seller's article number as it is compared: without the spaces around it, otherwise exactly as written.

    Raises:
        ListingInvalid: it has fewer than 2 or more than 100 characters (requirements LST-09).
    """
    cleaned = sku.strip()
    if not MIN_SKU_LENGTH <= len(cleaned) <= MAX_SKU_LENGTH:
        message = f"A SKU has {MIN_SKU_LENGTH} to {MAX_SKU_LENGTH} characters."
        raise ListingInvalid(message, problems=[Problem("sku", message, "length")])
    return cleaned


def check_packaging(weight: Decimal | None, dimensions: Dimensions | None) -> None:
    """Refuse a weight or a size that no parcel has.

    Raises:
        ListingInvalid: a weight is below 0, a length is not above 0, or one has more than eight digits or two decimals.
    """
    problems = []
    if weight is not None and not _is_measure(weight):
        message = f"The weight is a number from 0 to {MAX_MEASURE} with at most two decimals."
        problems.append(Problem("weight", message, "range"))
    if dimensions is not None:
        for name in ("length", "width", "height"):
            length: Decimal = getattr(dimensions, name)
            if not _is_measure(length) or length == 0:
                message = f"The {name} is a number above 0, up to {MAX_MEASURE}, with at most two decimals."
                problems.append(Problem(f"dimensions.{name}", message, "range"))
    if problems:
        raise ListingInvalid("The packaging is not possible.", problems=problems)


def check_licence_terms(terms: LicenceTerms | None, product_type: ProductType) -> None:
    """Refuse terms that no licence can have, and terms on what is no licence.

    Raises:
        ListingInvalid: see above.
    """
    if terms is None:
        return
    problems = []
    if product_type is not ProductType.LICENSE:
        problems.append(Problem("licenceTerms", "Only a licence has licence terms.", "product_type"))
    if terms.max_activations < 1:
        message = "A licence can be activated at least once."
        problems.append(Problem("licenceTerms.maxActivations", message, "range"))
    if terms.valid_days is not None and terms.valid_days < 1:
        message = "A licence is valid for at least one day."
        problems.append(Problem("licenceTerms.validDays", message, "range"))
    if problems:
        raise ListingInvalid("The licence terms are not possible.", problems=problems)


def _is_measure(value: Decimal) -> bool:
    return value.is_finite() and 0 <= value <= MAX_MEASURE and value == value.quantize(_HUNDREDTH)
