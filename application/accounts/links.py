"""Links that prove a mailbox: drawn before the command that keeps their digest, sent after it (ACC-14, ACC-25)."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from application.accounts.commands import NewProof
from application.accounts.ports import LinkMail, LinkPost, LinkPurpose, RandomBytes
from application.accounts.tickets import TOKEN_BYTES, token_of
from application.shared.ports import Clock, NewId
from domain.accounts.roles import MailedProof

LIFETIMES: Final = {
    LinkPurpose.EMAIL_VERIFICATION: timedelta(hours=24),
    LinkPurpose.PASSWORD_RESET: timedelta(minutes=10),
}


class DrawnLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that nobody has yet: what is told to the account, and the token, which goes to its owner alone."""

    purpose: LinkPurpose
    proof: NewProof
    token: str

    def __repr__(self) -> str:
        """Without the token."""
        return f"DrawnLink({self.purpose.value!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("purpose", self.purpose.value)]


class Links:
    """Draws links and posts them."""

    def __init__(self, *, post: LinkPost, random_bytes: RandomBytes, clock: Clock, new_id: NewId) -> None:
        """`random_bytes` is that of the operating system."""
        self._post = post
        self._random_bytes = random_bytes
        self._clock = clock
        self._new_id = new_id

    def draw(self, purpose: LinkPurpose) -> DrawnLink:
        """A new link, good from now for the time of its purpose."""
        token, digest = token_of(self._random_bytes(TOKEN_BYTES))
        proof = NewProof(
            method=MailedProof.LINK, expires_at=self._clock() + LIFETIMES[purpose], digest=digest
        )
        return DrawnLink(purpose=purpose, proof=proof, token=token)

    def send(
        self, link: DrawnLink, account_id: UUID, *, to: str, to_name: str | None, locale: str | None
    ) -> None:
        """Hand a link over to the post, now that its account knows of it; returns at once."""
        self._post.hand_over(
            LinkMail(
                message_id=self._new_id(),
                purpose=link.purpose,
                account_id=account_id,
                to=to,
                to_name=to_name,
                token=link.token,
                lifetime=LIFETIMES[link.purpose],
                expires_at=link.proof.expires_at,
                locale=locale,
            )
        )
