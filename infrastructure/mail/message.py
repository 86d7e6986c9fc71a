"""A mail as RFC 5322 wants it: plain text first, HTML second."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

from application.notifications.ports import Mail, MailRefused

_POLICY: Final = SMTP.clone(max_line_length=200, cte_type="7bit")
"""Long enough for a Message-ID on one line: not every server unfolds it."""


def sender_of(sender: str, company_name: str) -> tuple[str, str]:
    """Name and address of who writes: the name that `EMAIL_FROM` gives, or else the company's."""
    name, address = parseaddr(sender)
    return name or company_name, address


def message_of(mail: Mail, *, sender: str, company_name: str) -> EmailMessage:
    """The message, with a Message-ID that is the same for every attempt.

    Raises:
        MailRefused: the address is none that a header can hold.
    """
    name, address = sender_of(sender, company_name)
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = Address(display_name=name, addr_spec=address)
        message["To"] = Address(display_name=one_line(mail.to_name or ""), addr_spec=mail.to)
        message["Subject"] = one_line(mail.words.subject)
    except (ValueError, IndexError) as error:
        # Its message would show the address.
        raise MailRefused(f"A header cannot hold an address: {type(error).__name__}") from None
    message["Date"] = format_datetime(mail.sent_at)
    message["Message-ID"] = f"<{mail.message_id}@{address.rpartition('@')[2]}>"
    # Nobody's out-of-office robot should answer (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.words.text)
    message.add_alternative(mail.words.html, subtype="html")
    return message


def one_line(text: str) -> str:
    """Without line ends and other control characters: nothing may begin a header of its own."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def masked(address: str) -> str:
    """An address for the log: whose server it went to, not to whom (requirements NTF-16)."""
    return f"***@{address.rpartition('@')[2]}"
