"""What an account is found by: the kinds of claim, and the name of its first secret."""

from typing import Final

EMAIL: Final = "email"
"""The kind of claim that an email address is."""

PHONE: Final = "phone"
"""The kind of claim that a verified phone is."""

PAYMENT_CUSTOMER: Final = "payment_customer"
"""The kind of claim that somebody's id at a payment provider is."""

PASSWORD: Final = "password"  # noqa: S105 - the name of a credential
"""Under which name the credential store keeps an account's bcrypt hash."""
