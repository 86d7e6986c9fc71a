"""Which language a caller reads best (RFC 9110 §12.5.4, RFC 4647 §3.4)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from api.localisation.catalogue import Catalogue
from api.localisation.en import ENGLISH
from api.localisation.ru import RUSSIAN
from api.localisation.uz import UZBEK

CATALOGUES: Final[Mapping[str, Catalogue]] = {
    catalogue.language: catalogue for catalogue in (ENGLISH, UZBEK, RUSSIAN)
}
HEADER_MAXIMUM: Final = 512
"""So many bytes of an `Accept-Language` are looked at; browsers send less than a hundred."""

_QUALITY_MAXIMUM: Final = 5


def catalogue_for(headers: Mapping[bytes, bytes]) -> Catalogue:
    """The catalogue that `Accept-Language` asks for; English when it is absent or asks for none that we have."""
    accepted = headers.get(b"accept-language")
    if accepted is None:
        return ENGLISH
    return CATALOGUES[preferred(accepted[:HEADER_MAXIMUM])]


@lru_cache(maxsize=256)
def preferred(accept_language: bytes) -> str:
    """`uz`, `ru` or `en`: the one with the highest quality, the first of equal ones, English when none is wanted.

    Of a range only the language counts: `ru-UZ` is answered in Russian. `*` stands for the languages that are not named,
    English before the others. What cannot be read is passed over.
    """
    wanted: dict[str, float] = {}
    others = 0.0
    for part in accept_language.decode("latin-1").split(","):
        tag, *parameters = part.split(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality_of(parameters)
        if quality is None:
            continue
        if language == "*":
            others = max(others, quality)
        elif language in CATALOGUES:
            wanted[language] = max(wanted.get(language, 0.0), quality)
    for language in CATALOGUES:
        wanted.setdefault(language, others)
    best = max(wanted, key=wanted.__getitem__)
    return best if wanted[best] > 0 else ENGLISH.language


def _quality_of(parameters: list[str]) -> float | None:
    """The weight of a range, 1 when it has none; `None` when it is malformed."""
    if not parameters:
        return 1.0
    name, equals, value = parameters[0].partition("=")
    value = value.strip()
    if len(parameters) > 1 or name.strip().lower() != "q" or not equals or len(value) > _QUALITY_MAXIMUM:
        return None
    whole, _, fraction = value.partition(".")
    if whole not in {"0", "1"} or (fraction and not (fraction.isascii() and fraction.isdigit())):
        return None
    quality = float(value)
    return quality if quality <= 1 else None
