"""The groups of settings: what there is to set, a sentence each, and the variable that sets it."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import msgspec

from infrastructure.security.secrets import Secret
from infrastructure.settings.values import Network


class Environment(StrEnum):
    """Where the program runs, and so how strict it is."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class LogLevel(StrEnum):
    """The least important event that is still logged (LOG-01)."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """How a log line looks: one JSON object for machines, or coloured text for people."""

    JSON = "json"
    CONSOLE = "console"


class PaymentProvider(StrEnum):
    """Who moves the money. The sandbox moves none and exists outside production only."""

    STRIPE = "stripe"
    PAYPAL = "paypal"
    PAYME = "payme"
    CLICK = "click"
    CRYPTO = "crypto"
    SANDBOX = "sandbox"


class PayPalMode(StrEnum):
    """Which of PayPal's two worlds is talked to."""

    SANDBOX = "sandbox"
    LIVE = "live"


class MailTransport(StrEnum):
    """How mail leaves: over SMTP, over Resend's HTTP interface, or into the log of a developer (D-29)."""

    SMTP = "smtp"
    RESEND = "resend"
    LOG = "log"


class SmsProvider(StrEnum):
    """How text messages leave (D-30). `off` sends none, `log` shows them to a developer."""

    ESKIZ = "eskiz"
    TWILIO = "twilio"
    LOG = "log"
    OFF = "off"


class AccountKind(StrEnum):
    """The kinds of account that register themselves, as far as settings speak of them (D-05)."""

    CUSTOMER = "customer"
    SELLER = "seller"
    INFLUENCER = "influencer"
    SALON = "salon"


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How this program runs on its machine."""

    data_dir: Path
    """`DAFTAR_DATA_DIR`: where embedded servers keep their data, logs and development secrets."""

    workers: int
    """`WORKERS`: how many processes answer HTTP."""

    command_queue_size: int
    """`COMMAND_QUEUE_SIZE`: how many commands may wait in one process before it answers 503."""

    upstream_pause_seconds: int
    """`UPSTREAM_PAUSE_SECONDS`: how long a provider of payments, mail or text messages is left alone after five failures."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the shop is reached over HTTP."""

    listen_host: str
    """`LISTEN_HOST`: the address to listen on; this machine only, except in production."""

    port: int
    """`PORT`: the port to listen on; 0 lets the system choose."""

    api_version: str
    """`API_VERSION`: the version in the path, as in `/api/v1`."""

    app_url: str
    """`APP_URL`: where the outside world reaches this API; used in mails and callbacks."""

    frontend_url: str
    """`FRONTEND_URL`: where people see the shop; links in mails lead there."""

    cors_origins: tuple[str, ...]
    """`CORS_ORIGINS`: origins whose pages may call with credentials; the frontend's is always one."""

    trusted_proxy_hops: int
    """`TRUST_PROXY_HOPS`: how many proxies of ours stand in front and tell the client's address."""

    internal_networks: tuple[Network, ...]
    """`INTERNAL_NETWORKS`: from where health details and metrics are shown without a token."""

    metrics_token: Secret | None
    """`METRICS_TOKEN`: what a scraper from elsewhere shows to read the metrics."""

    openapi_enabled: bool
    """`OPENAPI_ENABLED`: whether the API describes itself at `/api/v1/schema`."""


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """PostgreSQL: events and read models."""

    url: Secret | None
    """`DATABASE_URL`, or made of the `DB_` parts; nothing means the embedded server."""

    pool_min: int
    """`DB_POOL_MIN`: connections kept open by each process."""

    pool_max: int
    """`DB_POOL_MAX`: connections that each process opens at most."""

    statement_seconds: int
    """`DB_STATEMENT_SECONDS`: how long one statement of a request or a workflow may take (SEC-23). A server that has not
    answered two seconds later counts as away."""


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Access and refresh tokens, and the sessions that they belong to."""

    access_secret: Secret
    """`JWT_SECRET`: signs access tokens."""

    refresh_secret: Secret
    """`JWT_REFRESH_SECRET`: signs refresh tokens; never the same as the access secret."""

    previous_access_secrets: tuple[Secret, ...]
    """`JWT_SECRETS_PREVIOUS`: earlier access secrets whose tokens stay good until they expire."""

    previous_refresh_secrets: tuple[Secret, ...]
    """`JWT_REFRESH_SECRETS_PREVIOUS`: earlier refresh secrets whose tokens stay good until they expire."""

    access_lifetime: timedelta
    """`JWT_EXPIRES_IN`: how long an access token is good."""

    refresh_lifetime: timedelta
    """`JWT_REFRESH_EXPIRES_IN`: how long a refresh token, and so an idle session, is good."""

    issuer: str
    """`JWT_ISSUER`: the `iss` of every token."""

    audience: str
    """`JWT_AUDIENCE`: the `aud` of every token."""

    refresh_reuse_grace_seconds: int
    """`REFRESH_REUSE_GRACE_SECONDS`: for how long a refresh token that was just used is taken for an honest retry."""

    session_cache_seconds: int
    """`SESSION_CACHE_TTL_SECONDS`: for how long Redis knows when a session was used last."""


class PasswordSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How passwords are kept."""

    bcrypt_rounds: int
    """`BCRYPT_ROUNDS`: the cost of a hash, as a power of two; at least 10, in tests 4."""

    pepper: Secret
    """`PASSWORD_PEPPER`: keys the digest under every hash; a new one makes all passwords unusable."""


class EncryptionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of the house, which wrap the data key of every person."""

    key: Secret
    """`ENCRYPTION_KEY`: 64 hexadecimal characters; without it personal data can never be read again."""

    previous_keys: tuple[Secret, ...]
    """`ENCRYPTION_KEYS_PREVIOUS`: earlier keys, which still open what they wrapped."""


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of accounts and their one-time codes."""

    api_key_prefix: str
    """`API_KEY_PREFIX`: how every API key begins."""

    email_verification_required_for: frozenset[AccountKind]
    """`EMAIL_VERIFICATION_REQUIRED_FOR`: kinds of account that sign in only with a verified email."""

    super_admin_email: str | None
    """`SUPER_ADMIN_EMAIL`: who is made super administrator at start-up, unless there already."""

    super_admin_password: Secret | None
    """`SUPER_ADMIN_PASSWORD`: that account's first password; set exactly when the email is."""

    otp_lifetime_seconds: int
    """`OTP_TTL_SECONDS`: how long a one-time code is good."""

    otp_attempts_maximum: int
    """`OTP_MAX_ATTEMPTS`: how many wrong guesses a code survives."""

    otp_requests_maximum: int
    """`OTP_MAX_REQUESTS`: how many codes one destination gets in a window."""

    otp_request_window_seconds: int
    """`OTP_REQUEST_WINDOW_SECONDS`: that window."""

    otp_requests_per_address_maximum: int
    """`OTP_MAX_REQUESTS_PER_ADDRESS`: how many codes one client address asks for in such a window, for whomever."""


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much one caller may ask."""

    enabled: bool
    """`RATE_LIMIT_ENABLED`: whether requests are counted at all; off is for load tests."""

    window: timedelta
    """`RATE_LIMIT_WINDOW`: the window of every limit but that of synchronisation."""

    anonymous_maximum: int
    """`RATE_LIMIT_MAX_REQUESTS`: requests a window from one address without a sign-in."""

    authenticated_maximum: int
    """`RATE_LIMIT_MAX_AUTHENTICATED`: requests a window of one account or API key."""

    authentication_maximum: int
    """`AUTH_RATE_LIMIT_MAX`: sign-ins, wishes for codes and links, and those that are shown a window, by address and
    identifier; each is counted by itself."""

    guesses_maximum: int
    """`AUTH_RATE_LIMIT_MAX_PER_IDENTIFIER`: attempts at one identifier's password a window from all unfamiliar networks."""

    sync_maximum: int
    """`SYNC_RATE_LIMIT_MAX`: manual synchronisations of social accounts an hour."""

    slowdown_after: int
    """`SLOWDOWN_AFTER`: requests a window after which each further one of a stranger's address is delayed."""

    slowdown_step_ms: int
    """`SLOWDOWN_STEP_MS`: by how many milliseconds each delay is longer than the one before."""

    slowdown_max_ms: int
    """`SLOWDOWN_MAX_MS`: the longest delay in milliseconds; 0 delays nobody."""


class ObjectStoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where media are kept: anything that speaks S3. Without an endpoint it is the embedded store."""

    endpoint: str | None
    """`S3_ENDPOINT`: where this program reaches the store; with AWS keys in production, AWS itself."""

    public_endpoint: str | None
    """`S3_PUBLIC_ENDPOINT`: where browsers reach it, which is what signed links name; as `endpoint` by default."""

    access_key: str | None
    """`S3_ACCESS_KEY`: the name of the key."""

    secret_key: Secret | None
    """`S3_SECRET_KEY`: the key."""

    region: str
    """`S3_REGION`: the region that is signed."""

    bucket: str
    """`S3_BUCKET`: the bucket of all media."""


class StripeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Cards through Stripe."""

    secret_key: Secret
    """`STRIPE_SECRET_KEY`: authenticates our calls."""

    webhook_secret: Secret
    """`STRIPE_WEBHOOK_SECRET`: signs theirs."""

    publishable_key: str | None
    """`STRIPE_PUBLISHABLE_KEY`: what the frontend uses; public."""

    api_version: str
    """`STRIPE_API_VERSION`: the version of Stripe's interface that we speak."""


class PayPalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """PayPal."""

    client_id: str
    """`PAYPAL_CLIENT_ID`: names our application."""

    client_secret: Secret
    """`PAYPAL_CLIENT_SECRET`: authenticates it."""

    mode: PayPalMode
    """`PAYPAL_MODE`: sandbox or live."""

    webhook_id: str
    """`PAYPAL_WEBHOOK_ID`: the subscription whose signatures we check."""


class PaymeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Payme (Paycom), for soum."""

    merchant_id: str
    """`PAYME_ID`: our cash desk."""

    key: Secret
    """`PAYME_KEY`: what Payme shows when it calls us."""

    checkout_url: str
    """`PAYME_CHECKOUT_URL`: where buyers pay."""


class ClickSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Click, for soum."""

    service_id: str
    """`CLICK_SERVICE_ID`: our service."""

    merchant_id: str
    """`CLICK_MERCHANT_ID`: our shop."""

    secret_key: Secret
    """`CLICK_SECRET_KEY`: signs both ways."""

    user_id: str
    """`CLICK_USER_ID`: who calls the merchant interface for us."""

    allowed_networks: tuple[Network, ...]
    """`CLICK_ALLOWED_IPS`: from where Click may call; empty means from anywhere."""

    checkout_url: str
    """`CLICK_CHECKOUT_URL`: where buyers pay."""


class CryptoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Cryptocurrency through a payment API."""

    api_url: str
    """`CRYPTO_API_URL`: that API."""

    api_key: Secret
    """`CRYPTO_API_KEY`: authenticates our calls."""

    webhook_secret: Secret
    """`CRYPTO_WEBHOOK_SECRET`: signs theirs."""


class PaymentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The providers that are on (`PAYMENT_PROVIDERS`); each is there exactly when it can be used."""

    stripe: StripeSettings | None
    """Stripe, when on."""

    paypal: PayPalSettings | None
    """PayPal, when on."""

    payme: PaymeSettings | None
    """Payme, when on."""

    click: ClickSettings | None
    """Click, when on."""

    crypto: CryptoSettings | None
    """Cryptocurrency, when on."""

    sandbox: bool
    """Whether the provider that moves no money is on."""

    @property
    def enabled(self) -> frozenset[PaymentProvider]:
        """Every provider that can be asked for."""
        found = {
            PaymentProvider.STRIPE: self.stripe,
            PaymentProvider.PAYPAL: self.paypal,
            PaymentProvider.PAYME: self.payme,
            PaymentProvider.CLICK: self.click,
            PaymentProvider.CRYPTO: self.crypto,
            PaymentProvider.SANDBOX: self.sandbox or None,
        }
        return frozenset(provider for provider, settings in found.items() if settings is not None)


class CommerceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Prices, fees and time limits. Money is in minor units by currency, rates are in basis points."""

    platform_commission_bp: int
    """`PLATFORM_COMMISSION`: our part of what a seller earns."""

    courier_fee: Mapping[str, int]
    """`COURIER_FEE_DEFAULT`: shipping of one order; a bare number is soum and leaves the others as they are."""

    tax_rate_bp: int
    """`TAX_RATE`: tax on an order's subtotal."""

    default_currency: str
    """`DEFAULT_CURRENCY`: the currency of a listing that names none."""

    price_ceiling: Mapping[str, int]
    """`MAX_PRICE`: the highest price of a listing."""

    order_payment_timeout: timedelta
    """`ORDER_PAYMENT_TIMEOUT`: after which an unpaid order is cancelled."""

    payout_cron: str
    """`PAYOUT_CRON`: when payouts are scheduled, in five cron fields."""

    payout_minimum: Mapping[str, int]
    """`PAYOUT_MIN_AMOUNT`: the smallest payout; a bare number is in the default currency."""

    payout_hold_days: int
    """`PAYOUT_HOLD_DAYS`: how long an earning rests before it is paid out."""


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server."""

    host: str
    """`SMTP_HOST`: its name."""

    port: int
    """`SMTP_PORT`: its port; 587 for STARTTLS, 465 for TLS from the first byte."""

    user: str | None
    """`SMTP_USER`: who signs in; nobody when it is not set."""

    password: Secret | None
    """`SMTP_PASS`: that user's password."""

    implicit_tls: bool
    """`SMTP_SECURE`: whether TLS begins with the connection; by the port when it is not set."""


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Mail to people, and what it says about us."""

    transport: MailTransport
    """`MAIL_TRANSPORT`: how it leaves."""

    smtp: SmtpSettings | None
    """The mail server; nothing means the embedded one, when the transport is SMTP."""

    resend_api_key: Secret | None
    """`RESEND_API_KEY`: authenticates us with Resend."""

    sender: str
    """`EMAIL_FROM`: who writes; the SMTP user by default, or else the support address."""

    company_name: str
    """`COMPANY_NAME`: how we sign."""

    support_email: str
    """`SUPPORT_EMAIL`: where people write to."""

    support_phone: str | None
    """`SUPPORT_PHONE`: where people call."""

    support_whatsapp: str | None
    """`SUPPORT_WHATSAPP`: where people chat."""


class EskizSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Text messages through Eskiz.uz."""

    email: str
    """`ESKIZ_EMAIL`: who signs in."""

    password: Secret
    """`ESKIZ_PASSWORD`: that account's password."""

    sender: str
    """`ESKIZ_FROM`: the name that people see, as Eskiz has granted it."""

    api_url: str
    """`ESKIZ_API_URL`: where Eskiz is."""


class TwilioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Text messages through Twilio."""

    account_sid: str
    """`TWILIO_ACCOUNT_SID`: our account."""

    auth_token: Secret
    """`TWILIO_AUTH_TOKEN`: authenticates it."""

    sender: str
    """`TWILIO_FROM`: the number or name that people see, or the messaging service (`MG...`) that chooses one."""

    api_url: str
    """`TWILIO_API_URL`: where Twilio is."""


class SmsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Text messages; the provider's own settings are there exactly when it is chosen."""

    provider: SmsProvider
    """`SMS_PROVIDER`: who sends them."""

    eskiz: EskizSettings | None
    """Eskiz, when chosen."""

    twilio: TwilioSettings | None
    """Twilio, when chosen."""


class TikTokSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Our application at TikTok."""

    client_key: str
    """`TIKTOK_CLIENT_KEY`: names it."""

    client_secret: Secret
    """`TIKTOK_CLIENT_SECRET`: authenticates it."""

    redirect_uri: str
    """`TIKTOK_REDIRECT_URI`: where TikTok sends people back to, exactly as registered there."""


class CommunitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Social accounts, the image proxy, chat."""

    apify_token: Secret | None
    """`APIFY_API_TOKEN`: reads public profiles; nothing means that none are read."""

    tiktok: TikTokSettings | None
    """TikTok's OAuth, when both its key and secret are set."""

    social_cache_days: int
    """`SOCIAL_CACHE_DAYS`: how long a profile that was read is good enough."""

    image_proxy_hosts: tuple[str, ...]
    """`IMAGE_PROXY_HOSTS`: domains from which, and from below which, images are fetched for people."""

    chat_requires_connection: bool
    """`CHAT_REQUIRES_CONNECTION`: whether only connected accounts may write to each other."""


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how it looks."""

    level: LogLevel
    """`LOG_LEVEL`: the least important event that is logged."""

    format: LogFormat
    """`LOG_FORMAT`: JSON in production, text elsewhere."""
