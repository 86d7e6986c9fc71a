"""Which way out the settings choose for mail (requirements NTF-11)."""

from application.notifications.ports import Mailer
from infrastructure.mail.log import LogMailer
from infrastructure.mail.patient import PatientMailer
from infrastructure.mail.resend import ResendMailer
from infrastructure.mail.smtp import SmtpMailer
from infrastructure.outbound.breaker import PAUSE_SECONDS
from infrastructure.settings import MailSettings, MailTransport


class MailNotConfigured(LookupError):
    """The settings choose a way out for mail and lack what it needs."""

    code = "MAIL_NOT_CONFIGURED"


def make_mailer(settings: MailSettings, *, pause_seconds: float = PAUSE_SECONDS) -> Mailer:
    """The mailer for `MAIL_TRANSPORT`. It opens nothing yet. After outages it is left alone for `pause_seconds`.

    Raises:
        MailNotConfigured: no server or key is named, and no embedded server was started.
    """
    match settings.transport:
        case MailTransport.SMTP:
            if settings.smtp is None:
                raise MailNotConfigured("MAIL_TRANSPORT is smtp, and SMTP_HOST is not set.")
            smtp = SmtpMailer(settings.smtp, sender=settings.sender, company_name=settings.company_name)
            return PatientMailer(smtp, name="smtp", pause_seconds=pause_seconds)
        case MailTransport.RESEND:
            if settings.resend_api_key is None:
                raise MailNotConfigured("MAIL_TRANSPORT is resend, and RESEND_API_KEY is not set.")
            resend = ResendMailer(
                settings.resend_api_key, sender=settings.sender, company_name=settings.company_name
            )
            return PatientMailer(resend, name="resend", pause_seconds=pause_seconds)
        case MailTransport.LOG:
            return LogMailer()
