"""Every setting of Daftar: typed, read once from the environment, a sentence each (requirements §39).

`Settings.from_environment` is the only reader of environment variables. It reports all problems at once and
by name, never by value. Production refuses whatever would make it insecure; development and test go on with
secrets of their own and say so in `Settings.warnings`.

An empty variable counts as one that is not set; a list is emptied with `none`.
"""

from collections.abc import Mapping
from datetime import timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from infrastructure.environment import (
    EnvironmentReader,
    Network,
    Problem,
    Unreadable,
    Variable,
    amount,
    amounts,
    basis_points,
    boolean,
    choice,
    cron,
    currency,
    duration,
    email_address,
    host,
    host_suffix,
    listed,
    mailbox,
    network,
    origin,
    origin_of,
    server_url,
    text,
    time_zone,
    web_url,
    whole_number,
)
from infrastructure.security.secrets import Secret, fresh_secret

SECRET_CHARACTERS_MINIMUM: Final = 32
"""The least length of a secret that we choose ourselves (TOK-16, CFG-04)."""

BCRYPT_ROUNDS_MINIMUM: Final = 10
PAYME_TRANSACTION_LIFE: Final = timedelta(hours=12)
_COUNT: Final = whole_number(1, 1_000_000)
_PORT: Final = whole_number(1, 65_535)
_IDENTIFIER: Final = text(500, like=r"\S+", what="one word without spaces")


class SettingsError(Exception):
    """The environment cannot be used; every problem is listed, by the name of its variable."""

    code = "SETTINGS_INVALID"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """`problems` is not empty and holds no values."""
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"The settings cannot be used:\n{lines}")
        self.problems = problems


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one process."""

    environment: Environment
    """`APP_ENV`: development, test or production."""

    process: ProcessSettings
    http: HttpSettings
    database: DatabaseSettings
    redis_url: Secret | None
    """`REDIS_URL`, or made of the `REDIS_` parts; nothing means the embedded server."""

    nats_url: Secret | None
    """`NATS_URL`: one URL, or several of one cluster separated by commas; nothing means the embedded server."""

    tokens: TokenSettings
    passwords: PasswordSettings
    encryption: EncryptionSettings
    accounts: AccountSettings
    limits: LimitSettings
    s3: ObjectStoreSettings
    payments: PaymentSettings
    commerce: CommerceSettings
    mail: MailSettings
    sms: SmsSettings
    community: CommunitySettings
    scheduler_timezone: tzinfo
    """`SCHEDULER_TIMEZONE`: in whose days and hours jobs are planned."""

    logging: LoggingSettings
    warnings: tuple[str, ...]
    """What is doubtful and was accepted; to be logged at start-up. It holds no values."""

    @property
    def in_production(self) -> bool:
        """Whether real people and real money are behind this."""
        return self.environment is Environment.PRODUCTION

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, development_secrets: Mapping[str, str] | None = None
    ) -> "Settings":
        """Read every variable, once.

        `development_secrets` gives, by the name of their variable, the secrets that development and test
        use where none is set; production never looks at it. Without it they are made anew at each start,
        so that what was encrypted or signed before cannot be read after.

        Raises:
            SettingsError: something is missing, unreadable or insecure; all of it is listed.
        """
        reading = _Reading(EnvironmentReader(environ), development_secrets or {})
        settings = reading.settings()
        if reading.env.problems:
            raise SettingsError(tuple(reading.env.problems))
        return settings

    @staticmethod
    def variables() -> tuple[Variable, ...]:
        """Every environment variable that is known, in the order of reading."""
        reading = _Reading(EnvironmentReader({}), {})
        reading.settings()
        return tuple(reading.env.variables)
