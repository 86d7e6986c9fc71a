"""The way out for text messages, whoever the provider is (requirements NTF-17)."""

from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from infrastructure.security.secrets import Secret
from infrastructure.sms.segments import Size


class Sms(msgspec.Struct, frozen=True, kw_only=True):
    """One text to one telephone (E.164). Texts hold codes, so neither is shown in a representation of it.

    `message_id` (at most 50 of A-Z, a-z, 0-9, `.`, `_`, `-`) is the same for every attempt.
    """

    message_id: str
    to: Secret
    text: Secret

    def __repr__(self) -> str:
        """Without the person and what is said to them."""
        return f"Sms(message_id={self.message_id!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same for debuggers that print structs field by field."""
        return [("message_id", self.message_id)]


class SmsStatus(StrEnum):
    """How far a message has come; words of providers that nobody has seen before count as `under_way`."""

    UNDER_WAY = "under_way"
    DELIVERED = "delivered"
    FAILED = "failed"


class SentSms(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of a message that it has taken. `raw_status` is its own word."""

    provider_id: str
    status: SmsStatus
    raw_status: str
    size: Size


class Reason(StrEnum):
    """Why a message did not leave."""

    NUMBER = "number"
    """The provider cannot reach this number, or may not: wrong, opted out, another country."""

    TEXT = "text"
    """The provider does not allow this text; Eskiz wants each to be moderated first."""

    REQUEST = "request"
    """The provider refuses the message and gives no reason that we know."""

    CREDENTIALS = "credentials"
    BALANCE = "balance"
    LIMIT = "limit"
    """The provider was asked too often."""

    AWAY = "away"
    """The provider could not be reached, or not asked, so the message has not left."""

    UNKNOWN = "unknown"
    """The provider did not say whether it took the message."""

    @property
    def is_final(self) -> bool:
        """Whether the message is at fault, so that sending it again is in vain."""
        return self in {Reason.NUMBER, Reason.TEXT, Reason.REQUEST}


class SmsFailed(Exception):
    """A message did not leave, and may leave later. What it says holds no number, text or secret."""

    def __init__(
        self, provider: str, reason: Reason, told: str, *, retry_after_seconds: float | None = None
    ) -> None:
        """`told` names statuses and codes only, for what providers say may repeat what they were asked."""
        super().__init__(f"{provider}: {reason.value} ({told})")
        self.provider = provider
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class SmsRefused(SmsFailed):
    """The message will never leave as it is."""


class SmsOutage(SmsFailed):
    """The provider does not work, or not for us: others will fare no better."""


_OUTAGES: Final = frozenset({Reason.CREDENTIALS, Reason.AWAY, Reason.UNKNOWN})


def failure(
    provider: str, reason: Reason, told: str, *, retry_after_seconds: float | None = None
) -> SmsFailed:
    """The failure of the kind that its reason asks for."""
    kind = SmsRefused if reason.is_final else SmsOutage if reason in _OUTAGES else SmsFailed
    return kind(provider, reason, told, retry_after_seconds=retry_after_seconds)


class SmsSender(Protocol):
    """One provider."""

    @property
    def name(self) -> str:
        """What it is called in settings and logs."""
        ...

    async def send(self, sms: Sms, *, attempt: int = 1) -> SentSms:
        """Hand a message over.

        No provider knows idempotency keys. So from the second `attempt` on, the provider is first asked whether it has the
        message already, and when it cannot say, the message is not sent.

        Raises:
            SmsRefused: in vain for good.
            SmsFailed: in vain this time.
        """
        ...

    async def status(self, provider_id: str) -> SmsStatus:
        """How far a message has come, by the name that the provider gave it.

        Raises:
            SmsFailed: the provider does not say.
        """
        ...

    async def check(self) -> None:
        """Find out whether a message could leave now, without sending any.

        Raises:
            SmsFailed: it could not.
        """
        ...

    def close(self) -> None:
        """Let go of what is held; nothing is sent any more."""
        ...


def masked_number(to: Secret) -> str:
    """A number for the log: country and last two digits."""
    digits = to.reveal()
    return f"{digits[:4]}***{digits[-2:]}"
