"""The settings of the house itself: how it is reached, who it trusts, what its rules are."""

import re
from collections.abc import Mapping
from datetime import UTC, timedelta, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import Final

from infrastructure.security.secrets import is_well_known
from infrastructure.settings.groups import (
    AccountKind,
    AccountSettings,
    CommerceSettings,
    EncryptionSettings,
    Environment,
    HttpSettings,
    LimitSettings,
    LogFormat,
    LoggingSettings,
    LogLevel,
    PasswordSettings,
    PaymentSettings,
    ProcessSettings,
    TokenSettings,
)
from infrastructure.settings.reading import Reading
from infrastructure.settings.values import (
    COUNT,
    IDENTIFIER,
    Network,
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
    listed,
    network,
    origin,
    origin_of,
    text,
    time_zone,
    web_url,
    whole_number,
)

BCRYPT_ROUNDS_MINIMUM: Final = 10
PAYME_TRANSACTION_LIFE: Final = timedelta(hours=12)


def process(reading: Reading) -> ProcessSettings:
    """How this program runs on its machine."""
    env = reading.env
    return ProcessSettings(
        data_dir=Path(env.read("DAFTAR_DATA_DIR", text(), ".daftar")),
        workers=env.read("WORKERS", whole_number(1, 256), 1),
        command_queue_size=env.read("COMMAND_QUEUE_SIZE", COUNT, 4096),
        upstream_pause_seconds=env.read("UPSTREAM_PAUSE_SECONDS", whole_number(1, 600), 30),
    )


def logging(reading: Reading) -> LoggingSettings:
    """What is logged, and how it looks."""
    env = reading.env
    usual = LogFormat.JSON if reading.in_production else LogFormat.CONSOLE
    return LoggingSettings(
        level=env.read("LOG_LEVEL", choice(LogLevel, warning=LogLevel.WARN), LogLevel.INFO),
        format=env.read("LOG_FORMAT", choice(LogFormat), usual),
    )


def scheduler_timezone(reading: Reading) -> tzinfo:
    """In whose days and hours jobs are planned, and what is today on the dashboard."""
    zone: tzinfo = UTC
    return reading.env.read("SCHEDULER_TIMEZONE", time_zone, zone)


def http(reading: Reading) -> HttpSettings:
    """How the shop is reached; production warns when links in mails would lead nowhere."""
    env = reading.env
    frontend_url = env.find("FRONTEND_URL", web_url)
    app_url = env.find("APP_URL", web_url)
    if reading.in_production:
        for name, url in (("APP_URL", app_url), ("FRONTEND_URL", frontend_url)):
            if url is None:
                env.warn(name, "is not set, so links point to localhost")
            elif not url.startswith("https://"):
                env.warn(name, "does not begin with https://")
    frontend_url = frontend_url or "http://localhost:3000"
    loopback: tuple[Network, ...] = (network("127.0.0.0/8"), network("::1/128"))
    hops = env.read("TRUST_PROXY_HOPS", whole_number(0, 10), 1)
    internal = env.read("INTERNAL_NETWORKS", listed(network), loopback)
    metrics_token = reading.optional_own_secret("METRICS_TOKEN")
    if reading.in_production:
        if hops == 0:
            env.warn("TRUST_PROXY_HOPS", "is 0, so nothing can come by HTTPS, and everything else is refused")
        if any(each.prefixlen == 0 for each in internal):
            env.refuse(
                "INTERNAL_NETWORKS",
                "must not hold the whole world: health details and metrics are shown to it",
            )
        if not internal and metrics_token is None:
            env.warn(
                "METRICS_TOKEN",
                "is not set, and INTERNAL_NETWORKS is empty: only administrators read the metrics",
            )
    local: tuple[str, ...] = ("http://localhost:3000", "http://localhost:3001")
    origins = env.read("CORS_ORIGINS", listed(origin), local, "ALLOWED_ORIGINS", "CORS_ORIGIN")
    return HttpSettings(
        listen_host=env.read("LISTEN_HOST", host, "0.0.0.0" if reading.in_production else "127.0.0.1"),  # noqa: S104 -- behind a proxy or in a container
        port=env.read("PORT", whole_number(0, 65_535), 3000),
        api_version=env.read("API_VERSION", text(5, like=r"v[1-9][0-9]*", what="a version such as v1"), "v1"),
        app_url=app_url or "http://localhost:3000",
        frontend_url=frontend_url,
        cors_origins=tuple(dict.fromkeys((*origins, origin_of(frontend_url)))),
        trusted_proxy_hops=hops,
        internal_networks=internal,
        metrics_token=metrics_token,
        openapi_enabled=env.read("OPENAPI_ENABLED", boolean, not reading.in_production),
    )


def tokens(reading: Reading) -> TokenSettings:
    """Access and refresh tokens, which share no secret."""
    env = reading.env
    access_secret = reading.own_secret("JWT_SECRET", "JWT_ACCESS_SECRET")
    refresh_secret = reading.own_secret("JWT_REFRESH_SECRET")
    previous_access = reading.previous_secrets("JWT_SECRETS_PREVIOUS")
    previous_refresh = reading.previous_secrets("JWT_REFRESH_SECRETS_PREVIOUS")
    # Production refuses any secret of two purposes; these two must differ wherever tokens are made.
    shared = not {access_secret, *previous_access}.isdisjoint({refresh_secret, *previous_refresh})
    if shared and not reading.in_production:
        env.refuse("JWT_REFRESH_SECRET", "must differ from JWT_SECRET, the previous ones included")
    access_lifetime = env.read(
        "JWT_EXPIRES_IN", duration, timedelta(minutes=15), "JWT_EXPIRE", "ACCESS_TOKEN_EXPIRES_IN"
    )
    refresh_lifetime = env.read(
        "JWT_REFRESH_EXPIRES_IN",
        duration,
        timedelta(days=7),
        "JWT_REFRESH_EXPIRE",
        "REFRESH_TOKEN_EXPIRES_IN",
    )
    if refresh_lifetime < access_lifetime:
        env.refuse("JWT_REFRESH_EXPIRES_IN", "must not be shorter than JWT_EXPIRES_IN")
    return TokenSettings(
        access_secret=access_secret,
        refresh_secret=refresh_secret,
        previous_access_secrets=previous_access,
        previous_refresh_secrets=previous_refresh,
        access_lifetime=access_lifetime,
        refresh_lifetime=refresh_lifetime,
        issuer=env.read("JWT_ISSUER", IDENTIFIER, "ecommerce-api"),
        audience=env.read("JWT_AUDIENCE", IDENTIFIER, "ecommerce-frontend"),
        refresh_reuse_grace_seconds=env.read("REFRESH_REUSE_GRACE_SECONDS", whole_number(0, 300), 10),
        session_cache_seconds=env.read("SESSION_CACHE_TTL_SECONDS", whole_number(1, 31_536_000), 86_400),
    )


def passwords(reading: Reading) -> PasswordSettings:
    """How passwords are kept; only tests may do it cheaply."""
    floor = 4 if reading.environment is Environment.TEST else BCRYPT_ROUNDS_MINIMUM
    return PasswordSettings(
        # Each round doubles the time: 12 take a quarter of a second, 16 some four seconds.
        bcrypt_rounds=reading.env.read("BCRYPT_ROUNDS", whole_number(floor, 16), 12),
        pepper=reading.own_secret("PASSWORD_PEPPER"),
    )


def encryption(reading: Reading) -> EncryptionSettings:
    """The keys of the house."""
    env = reading.env
    key = reading.own_secret("ENCRYPTION_KEY")
    previous = env.secrets("ENCRYPTION_KEYS_PREVIOUS")
    for name, keys in (("ENCRYPTION_KEY", (key,)), ("ENCRYPTION_KEYS_PREVIOUS", previous)):
        if not all(re.fullmatch(r"[0-9a-fA-F]{64}", each.reveal()) for each in keys):
            env.refuse(name, "must be 64 hexadecimal characters, which is 32 bytes")
    if reading.in_production and any(is_well_known(each) for each in previous):
        # Refusing it would lock in what it wrapped, and keep nobody out who knows it.
        env.warn(
            "ENCRYPTION_KEYS_PREVIOUS",
            "holds a key that hardly varies: what it wrapped can be opened by others",
        )
    env.ignored(
        "ENCRYPTION_IV",
        "is ignored: a fixed nonce would destroy AES-GCM; remove the variable",
        secret=True,
    )
    return EncryptionSettings(key=key, previous_keys=previous)


def accounts(reading: Reading) -> AccountSettings:
    """Rules of accounts, and the super administrator if there shall be one."""
    env = reading.env
    prefix = text(16, like=r"[A-Za-z0-9_-]+", what="letters, digits, underscores or hyphens")
    verified: tuple[AccountKind, ...] = (AccountKind.INFLUENCER, AccountKind.SALON)
    email = env.find("SUPER_ADMIN_EMAIL", email_address)
    password = env.secret("SUPER_ADMIN_PASSWORD")
    if (email is None) is not (password is None):
        missing = "SUPER_ADMIN_EMAIL" if email is None else "SUPER_ADMIN_PASSWORD"
        env.refuse(missing, "is missing: the super administrator needs both an email and a password")
    if password is not None:
        if not 8 <= len(password.reveal()) <= 255:
            env.refuse("SUPER_ADMIN_PASSWORD", "must have 8 to 255 characters")
        reading.refuse_well_known("SUPER_ADMIN_PASSWORD", password)
    return AccountSettings(
        api_key_prefix=env.read("API_KEY_PREFIX", prefix, "gm_"),
        email_verification_required_for=frozenset(
            env.read("EMAIL_VERIFICATION_REQUIRED_FOR", listed(choice(AccountKind)), verified)
        ),
        super_admin_email=email,
        super_admin_password=password,
        otp_lifetime_seconds=env.read("OTP_TTL_SECONDS", whole_number(30, 86_400), 300),
        otp_attempts_maximum=env.read("OTP_MAX_ATTEMPTS", whole_number(1, 10), 3),
        otp_requests_maximum=env.read("OTP_MAX_REQUESTS", whole_number(1, 1000), 5),
        otp_request_window_seconds=env.read("OTP_REQUEST_WINDOW_SECONDS", whole_number(1, 86_400), 900),
        otp_requests_per_address_maximum=env.read(
            "OTP_MAX_REQUESTS_PER_ADDRESS", whole_number(1, 100_000), 20
        ),
    )


def limits(reading: Reading) -> LimitSettings:
    """How much one caller may ask."""
    env = reading.env
    enabled = env.read("RATE_LIMIT_ENABLED", boolean, True)
    if reading.in_production and not enabled:
        env.warn("RATE_LIMIT_ENABLED", "is off: nothing stands against a flood of requests")
    milliseconds = whole_number(0, 60_000)
    attempts = env.read("AUTH_RATE_LIMIT_MAX", COUNT, 5)
    return LimitSettings(
        enabled=enabled,
        window=env.read("RATE_LIMIT_WINDOW", duration, timedelta(minutes=15)),
        anonymous_maximum=env.read("RATE_LIMIT_MAX_REQUESTS", COUNT, 100),
        authenticated_maximum=env.read("RATE_LIMIT_MAX_AUTHENTICATED", COUNT, 1000),
        authentication_maximum=attempts,
        guesses_maximum=env.read("AUTH_RATE_LIMIT_MAX_PER_IDENTIFIER", COUNT, 10 * attempts),
        sync_maximum=env.read("SYNC_RATE_LIMIT_MAX", COUNT, 3),
        slowdown_after=env.read("SLOWDOWN_AFTER", whole_number(0, 1_000_000), 50),
        slowdown_step_ms=env.read("SLOWDOWN_STEP_MS", milliseconds, 500),
        slowdown_max_ms=env.read("SLOWDOWN_MAX_MS", milliseconds, 20_000),
    )


def commerce(reading: Reading, payments: PaymentSettings) -> CommerceSettings:
    """Prices, fees and time limits; some depend on which providers are on."""
    env = reading.env
    default_currency = env.read("DEFAULT_CURRENCY", currency, "usd")
    fee = {"uzs": 15_000_00, "usd": 0}

    def courier_fee(value: str) -> Mapping[str, int]:
        return amounts(value) if ":" in value else MappingProxyType(fee | {"uzs": amount("uzs")(value)})

    def payout_minimum(value: str) -> Mapping[str, int]:
        if ":" in value:
            return amounts(value)
        return MappingProxyType({default_currency: amount(default_currency)(value)})

    ceiling = env.read("MAX_PRICE", amounts, amounts("usd:999999.99,uzs:9999999999.99"))
    if default_currency not in ceiling:
        env.warn("MAX_PRICE", f"names no ceiling for the default currency {default_currency}")
    timeout = env.read("ORDER_PAYMENT_TIMEOUT", duration, timedelta(hours=12))
    if payments.payme is not None and timeout < PAYME_TRANSACTION_LIFE:
        env.warn("ORDER_PAYMENT_TIMEOUT", "is shorter than the twelve hours that a Payme transaction lives")
    return CommerceSettings(
        platform_commission_bp=env.read("PLATFORM_COMMISSION", basis_points(9_999), 1_000),
        courier_fee=env.read("COURIER_FEE_DEFAULT", courier_fee, MappingProxyType(fee)),
        tax_rate_bp=env.read("TAX_RATE", basis_points(10_000), 800),
        default_currency=default_currency,
        price_ceiling=ceiling,
        order_payment_timeout=timeout,
        payout_cron=env.read("PAYOUT_CRON", cron, "0 4 * * 1"),
        payout_minimum=env.read("PAYOUT_MIN_AMOUNT", payout_minimum, payout_minimum("0")),
        payout_hold_days=env.read("PAYOUT_HOLD_DAYS", whole_number(0, 365), 0),
    )
