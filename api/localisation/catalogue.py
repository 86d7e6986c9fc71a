"""The form of a catalogue of sentences in one language."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Notice(StrEnum):
    """What a successful answer may say to people."""

    WELCOME = "welcome"
    APPLICATION_WAITS = "application_waits"
    SIGNED_OUT = "signed_out"


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """The sentences of one language.

    `language` is a primary language subtag (RFC 5646). `codes` has a sentence for every error code, `rules` one for every
    rule that a field may break, `titles` the names of HTTP statuses. All three are empty in English, where the sentence
    written beside the refusal is shown.
    """

    language: str
    notices: Mapping[Notice, str]
    codes: Mapping[str, str] = {}
    rules: Mapping[str, str] = {}
    titles: Mapping[int, str] = {}
