"""One-time codes as mails (requirements NTF-09)."""

from application.notifications.ports import Mail, Mailer, Renderer, Template
from application.otp.ports import CodeMessage
from application.shared.ports import Clock
from infrastructure.mail.sending import send_perishable


class MailCodeSender:
    """Implements `application.otp.ports.CodeSender`. The code is in the body only: subjects are logged."""

    def __init__(self, mailer: Mailer, renderer: Renderer, clock: Clock) -> None:
        """Collaborators only; nothing is opened."""
        self._mailer = mailer
        self._renderer = renderer
        self._clock = clock

    async def send(self, message: CodeMessage, *, attempt: int) -> None:
        """See the port. A server that has the mail already drops the repeat by its Message-ID."""
        template = Template.ONE_TIME_CODE
        variables = {
            "code": message.code.reveal(),
            "minutes": max(1, round(message.lifetime.total_seconds() / 60)),
            "purpose": message.purpose.value,
        }
        mail = Mail(
            message_id=f"{message.message_id}.{template.value}",
            template=template,
            to=message.destination,
            to_name=None,
            words=self._renderer.render(template, variables, language=message.language),
            sent_at=self._clock(),
        )
        await send_perishable(self._mailer, mail, attempt=attempt, failing_as="code_not_sent")
