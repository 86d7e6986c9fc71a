"""Personal data in events and states: which fields it is, whose it is, and what is left when it is erased.

A field typed with one of the aliases below is encrypted at rest under the data key of one account
(requirements ES-17). When that key has been destroyed, or a reader has no need of it, the field
holds its default, so **every personal field has a default** and it means "not known (any more)".
"""

from typing import Annotated

import msgspec

PERSONAL = {"personal": True}
"""The mark that the event store looks for in a field's `Meta.extra`."""

ERASED = "[erased]"
"""What stands in place of a text about a person who has been forgotten."""

PersonalText = Annotated[str, msgspec.Meta(extra=PERSONAL)]
"""A text about a person; default `ERASED`."""

OptionalPersonalText = Annotated[str | None, msgspec.Meta(extra=PERSONAL)]
"""A text about a person that may be missing from the start; default `None`."""

PersonalTexts = Annotated[tuple[str, ...], msgspec.Meta(extra=PERSONAL)]
"""Texts about a person; default `ERASED_TEXTS`."""

ERASED_TEXTS = (ERASED,)
"""What stands in place of them all."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where goods or bills go. `country` is ISO 3166-1 alpha-2, upper case."""

    first_name: str
    last_name: str
    address1: str
    city: str
    postal_code: str
    country: str
    address2: str | None = None
    phone: str | None = None


ERASED_ADDRESS = Address(
    first_name=ERASED,
    last_name=ERASED,
    address1=ERASED,
    city=ERASED,
    postal_code=ERASED,
    country="ZZ",
)
"""ISO 3166 keeps ZZ for private use: no country."""

PersonalAddress = Annotated[Address, msgspec.Meta(extra=PERSONAL)]
"""An address of a person; default `ERASED_ADDRESS`."""

OptionalPersonalAddress = Annotated[Address | None, msgspec.Meta(extra=PERSONAL)]
"""An address that may be missing from the start; default `None`."""
