"""The form of a catalogue of sentences in one language."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Notice(StrEnum):
    """What a successful answer may say to people."""

    WELCOME = "welcome"
    APPLICATION_WAITS = "application_waits"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    CODE_TO_ENTER = "code_to_enter"
    LINK_TO_FOLLOW = "link_to_follow"
    CODE_MAYBE_MAILED = "code_maybe_mailed"
    LINK_MAYBE_MAILED = "link_maybe_mailed"
    CODE_SENT = "code_sent"
    EMAIL_VERIFIED = "email_verified"
    PHONE_VERIFIED = "phone_verified"
    CODE_ACCEPTED = "code_accepted"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a sentence
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of a sentence


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
