"""Every setting of Daftar: typed, read once from the environment, a sentence each (requirements §39).

`Settings.from_environment` is the only reader of environment variables. It reports all problems at once and
by name, never by value. Production refuses whatever would make it insecure; development and test go on with
secrets of their own and say so in `Settings.warnings`.

An empty variable counts as one that is not set; a list is emptied with `none`.
"""

from collections.abc import Mapping
from datetime import tzinfo

import msgspec

from infrastructure.security.secrets import Secret
from infrastructure.settings import house, providers, servers
from infrastructure.settings.environment import EnvironmentReader, Problem, Variable
from infrastructure.settings.groups import (
    AccountKind,
    AccountSettings,
    ClickSettings,
    CommerceSettings,
    CommunitySettings,
    CryptoSettings,
    DatabaseSettings,
    EncryptionSettings,
    Environment,
    EskizSettings,
    HttpSettings,
    LimitSettings,
    LogFormat,
    LoggingSettings,
    LogLevel,
    MailSettings,
    MailTransport,
    ObjectStoreSettings,
    PasswordSettings,
    PaymentProvider,
    PaymentSettings,
    PaymeSettings,
    PayPalMode,
    PayPalSettings,
    ProcessSettings,
    SmsProvider,
    SmsSettings,
    SmtpSettings,
    StripeSettings,
    TikTokSettings,
    TokenSettings,
    TwilioSettings,
)
from infrastructure.settings.reading import Reading
from infrastructure.settings.values import Network


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

    catalogue_cache_seconds: int
    """`CATALOGUE_CACHE_SECONDS`: how long Redis keeps answers about the catalogue; 0 keeps none."""

    nats_url: Secret | None
    """`NATS_URL`: one URL, or several of one cluster separated by commas; nothing means the embedded server."""

    nats_prefix: str
    """`NATS_PREFIX`: what streams and subjects begin with; installations that share a NATS account differ in it."""

    message_deliveries: int
    """`WORKFLOW_MAX_DELIVERIES`: how often a workflow tries a message before it becomes a dead letter."""

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
    """`SCHEDULER_TIMEZONE`: in whose days and hours jobs are planned, and what counts as today."""

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
        reading = Reading(EnvironmentReader(environ), development_secrets or {})
        settings = cls._read(reading)
        if reading.env.problems:
            raise SettingsError(tuple(reading.env.problems))
        return settings

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Every environment variable that is known, in the order of reading."""
        reading = Reading(EnvironmentReader({}), {})
        cls._read(reading)
        return tuple(reading.env.variables)

    @classmethod
    def _read(cls, reading: Reading) -> "Settings":
        # Every variable is read always, whether or not its value will matter: `variables` relies on it.
        payments = providers.payments(reading)
        settings = cls(
            environment=reading.environment,
            process=house.process(reading),
            http=house.http(reading),
            database=servers.database(reading),
            redis_url=servers.redis_url(reading),
            catalogue_cache_seconds=servers.catalogue_cache_seconds(reading),
            nats_url=servers.nats_url(reading),
            nats_prefix=servers.nats_prefix(reading),
            message_deliveries=servers.message_deliveries(reading),
            tokens=house.tokens(reading),
            passwords=house.passwords(reading),
            encryption=house.encryption(reading),
            accounts=house.accounts(reading),
            limits=house.limits(reading),
            s3=servers.object_store(reading),
            payments=payments,
            commerce=house.commerce(reading, payments),
            mail=providers.mail(reading),
            sms=providers.sms(reading),
            community=providers.community(reading),
            scheduler_timezone=house.scheduler_timezone(reading),
            logging=house.logging(reading),
            warnings=(),
        )
        return msgspec.structs.replace(settings, warnings=tuple(reading.env.warnings))


__all__ = [
    "Settings",
    "SettingsError",
    "Problem",
    "Variable",
    "Secret",
    "Network",
    "Environment",
    "ProcessSettings",
    "HttpSettings",
    "DatabaseSettings",
    "TokenSettings",
    "PasswordSettings",
    "EncryptionSettings",
    "AccountKind",
    "AccountSettings",
    "LimitSettings",
    "ObjectStoreSettings",
    "PaymentProvider",
    "PaymentSettings",
    "StripeSettings",
    "PayPalMode",
    "PayPalSettings",
    "PaymeSettings",
    "ClickSettings",
    "CryptoSettings",
    "CommerceSettings",
    "MailTransport",
    "MailSettings",
    "SmtpSettings",
    "SmsProvider",
    "SmsSettings",
    "EskizSettings",
    "TwilioSettings",
    "CommunitySettings",
    "TikTokSettings",
    "LogLevel",
    "LogFormat",
    "LoggingSettings",
]
