"""Text messages for tests."""

from typing import Any
from uuid import uuid4

from infrastructure.security.secrets import Secret
from infrastructure.sms.ports import Sms

PHONE = "+998901234567"
TEXT = "Bazaar: kirish kodi 481516."


def sms(**changes: Any) -> Sms:
    fields = {"message_id": uuid4().hex, "to": PHONE, "text": TEXT} | changes
    return Sms(message_id=fields["message_id"], to=Secret(fields["to"]), text=Secret(fields["text"]))
