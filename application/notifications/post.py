"""The post office: from one recorded fact to one mail that has left, however often it is asked (NTF-01, NTF-15)."""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID, uuid5

from application.notifications.commands import (
    CreateNotification,
    RecordNotificationDispatched,
    RecordNotificationFailure,
)
from application.notifications.policies import WantedMail, mail_for
from application.notifications.ports import Commands, Mail, Mailer, MailFailed, Renderer
from application.shared.caller import Caller
from application.shared.command import Unavailable
from application.shared.ports import Clock
from domain.notifications.events import Channel
from domain.notifications.notification import Notification
from domain.shared.events import Recorded


class PostOffice:
    """Sends the mails that facts ask for. It never touches what the mail is about."""

    def __init__(self, *, commands: Commands, renderer: Renderer, mailer: Mailer, clock: Clock) -> None:
        """Collaborators only; nothing is opened."""
        self._commands = commands
        self._renderer = renderer
        self._mailer = mailer
        self._clock = clock

    async def tell(
        self, history: Sequence[Recorded], event_id: UUID, caller: Caller, *, attempt: int
    ) -> Mail | None:
        """Send the mail that a fact asks for, unless it has left before; returns what was sent now.

        The fact is the last of `history`, which is that of its stream up to it.

        Between the mail server's word and ours in the log we may die: then the mail is sent again, under the same
        Message-ID.

        Raises:
            MailRefused: it will never leave.
            MailFailed: it did not leave this time; the attempt is recorded.
            Unavailable: the log is away, so that nothing can be known or recorded; or the way out is left alone for now.
        """
        wanted = mail_for(history[-1], history)
        if wanted is None:
            return None
        notification = await self._created(wanted, event_id, caller)
        if notification.has_left(Channel.EMAIL):
            return None
        mail = Mail(
            message_id=f"{event_id}.{wanted.template.value}",
            template=wanted.template,
            to=wanted.to,
            to_name=wanted.to_name,
            words=self._renderer.render(wanted.template, wanted.variables),
            sent_at=self._clock(),
        )
        try:
            taken_as = await self._mailer.send(mail)
        except MailFailed as error:
            # The failure itself matters more than that we could not write it down.
            with suppress(Unavailable):
                await self._commands.submit(
                    RecordNotificationFailure(
                        notification_id=notification.notification_id,
                        channel=Channel.EMAIL,
                        reason=f"{type(error).__name__}: {error}",
                        attempt=attempt,
                    ),
                    caller,
                )
            raise
        await self._commands.submit(
            RecordNotificationDispatched(
                notification_id=notification.notification_id,
                channel=Channel.EMAIL,
                template=wanted.template.value,
                provider_message_id=taken_as,
            ),
            caller,
        )
        return mail

    async def _created(self, wanted: WantedMail, event_id: UUID, caller: Caller) -> Notification:
        done = await self._commands.submit(
            CreateNotification(
                notification_id=notification_id(event_id, wanted.template.value),
                recipient_id=wanted.recipient_id,
                type=wanted.type,
                title=wanted.title,
                data=dict(wanted.data),
                channels=(Channel.EMAIL,),
            ),
            caller,
        )
        notification: Notification = done.result
        return notification


def notification_id(event_id: UUID, template: str) -> UUID:
    """The notification that one event brings about by one mail template: always the same one."""
    return uuid5(event_id, f"email:{template}")
