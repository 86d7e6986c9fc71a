"""The settings of those who do things for us: payments, mail, text messages, social networks."""

from infrastructure.settings.groups import (
    ClickSettings,
    CommunitySettings,
    CryptoSettings,
    EskizSettings,
    MailSettings,
    MailTransport,
    PaymentProvider,
    PaymentSettings,
    PaymeSettings,
    PayPalMode,
    PayPalSettings,
    SmsProvider,
    SmsSettings,
    SmtpSettings,
    StripeSettings,
    TikTokSettings,
    TwilioSettings,
)
from infrastructure.settings.reading import Reading
from infrastructure.settings.values import (
    IDENTIFIER,
    PORT,
    Network,
    boolean,
    choice,
    email_address,
    host,
    host_suffix,
    listed,
    mailbox,
    network,
    text,
    web_url,
    whole_number,
)


def payments(reading: Reading) -> PaymentSettings:
    """The payment providers that are wanted; one that lacks something is off, or refused in production."""
    env = reading.env
    default: tuple[PaymentProvider, ...] = () if reading.in_production else (PaymentProvider.SANDBOX,)
    wanted = env.read("PAYMENT_PROVIDERS", listed(choice(PaymentProvider)), default)
    if reading.in_production and PaymentProvider.SANDBOX in wanted:
        env.refuse("PAYMENT_PROVIDERS", "must not name sandbox in production: it takes no money")
    return PaymentSettings(
        stripe=_stripe(reading, PaymentProvider.STRIPE in wanted),
        paypal=_paypal(reading, PaymentProvider.PAYPAL in wanted),
        payme=_payme(reading, PaymentProvider.PAYME in wanted),
        click=_click(reading, PaymentProvider.CLICK in wanted),
        crypto=_crypto(reading, PaymentProvider.CRYPTO in wanted),
        sandbox=PaymentProvider.SANDBOX in wanted,
    )


def mail(reading: Reading) -> MailSettings:
    """How mail leaves."""
    env = reading.env
    transport = env.read("MAIL_TRANSPORT", choice(MailTransport), MailTransport.SMTP)
    smtp = _smtp(reading)
    resend_api_key = reading.issued_secret("RESEND_API_KEY")
    if transport is MailTransport.RESEND and resend_api_key is None:
        env.refuse("RESEND_API_KEY", "is missing, and MAIL_TRANSPORT is resend")
    if reading.in_production and transport is MailTransport.SMTP and smtp is None:
        env.refuse("SMTP_HOST", "is missing, and MAIL_TRANSPORT is smtp")
    if reading.in_production and transport is MailTransport.LOG:
        env.refuse("MAIL_TRANSPORT", "must not be log in production: mail holds codes and personal data")
    user = smtp.user if smtp is not None and smtp.user is not None and "@" in smtp.user else None
    support_email = env.read("SUPPORT_EMAIL", email_address, "support@yourstore.com")
    contact = text(40, like=r"[0-9+() -]+", what="a telephone number")
    return MailSettings(
        transport=transport,
        smtp=smtp,
        resend_api_key=resend_api_key,
        sender=env.read("EMAIL_FROM", mailbox, user or support_email),
        company_name=env.read("COMPANY_NAME", text(100), "Your Store"),
        support_email=support_email,
        support_phone=env.find("SUPPORT_PHONE", contact),
        support_whatsapp=env.find("SUPPORT_WHATSAPP", text(200)),
    )


def sms(reading: Reading) -> SmsSettings:
    """How text messages leave; in production not at all, unless a provider is named."""
    env = reading.env
    default = SmsProvider.OFF if reading.in_production else SmsProvider.LOG
    provider = env.read("SMS_PROVIDER", choice(SmsProvider), default)
    if reading.in_production and provider is SmsProvider.LOG:
        env.refuse("SMS_PROVIDER", "must not be log in production: messages hold codes")
    email = env.find("ESKIZ_EMAIL", email_address)
    password = reading.issued_secret("ESKIZ_PASSWORD")
    eskiz_sender = env.read("ESKIZ_FROM", text(20), "4546")
    eskiz_url = _provider_url(reading, "ESKIZ_API_URL", "https://notify.eskiz.uz/api")
    account_sid = env.find("TWILIO_ACCOUNT_SID", IDENTIFIER)
    auth_token = reading.issued_secret("TWILIO_AUTH_TOKEN")
    sender = env.find("TWILIO_FROM", text(50))
    twilio_url = _provider_url(reading, "TWILIO_API_URL", "https://api.twilio.com")
    eskiz = twilio = None
    if provider is SmsProvider.ESKIZ:
        reading.require("SMS_PROVIDER is eskiz", {"ESKIZ_EMAIL": email, "ESKIZ_PASSWORD": password})
        if email is not None and password is not None:
            eskiz = EskizSettings(email=email, password=password, sender=eskiz_sender, api_url=eskiz_url)
    if provider is SmsProvider.TWILIO:
        needed = {
            "TWILIO_ACCOUNT_SID": account_sid,
            "TWILIO_AUTH_TOKEN": auth_token,
            "TWILIO_FROM": sender,
        }
        reading.require("SMS_PROVIDER is twilio", needed)
        if account_sid is not None and auth_token is not None and sender is not None:
            twilio = TwilioSettings(
                account_sid=account_sid, auth_token=auth_token, sender=sender, api_url=twilio_url
            )
    return SmsSettings(provider=provider, eskiz=eskiz, twilio=twilio)


def community(reading: Reading) -> CommunitySettings:
    """Social accounts, the image proxy, chat."""
    env = reading.env
    client_key = env.find("TIKTOK_CLIENT_KEY", IDENTIFIER)
    client_secret = reading.issued_secret("TIKTOK_CLIENT_SECRET")
    redirect_uri = env.read(
        "TIKTOK_REDIRECT_URI",
        web_url,
        "http://localhost:3000/api/v1/social-media/tiktok/oauth/callback",
    )
    tiktok = None
    if client_key is not None and client_secret is not None:
        tiktok = TikTokSettings(client_key=client_key, client_secret=client_secret, redirect_uri=redirect_uri)
    elif client_key is not None or client_secret is not None:
        missing = "TIKTOK_CLIENT_KEY" if client_key is None else "TIKTOK_CLIENT_SECRET"
        env.warn(missing, "is not set, so TikTok is off")
    picture_hosts: tuple[str, ...] = (
        "cdninstagram.com",
        "fbcdn.net",
        "tiktokcdn.com",
        "tiktokcdn-us.com",
        "tiktokcdn-eu.com",
    )
    return CommunitySettings(
        apify_token=reading.issued_secret("APIFY_API_TOKEN"),
        tiktok=tiktok,
        social_cache_days=env.read("SOCIAL_CACHE_DAYS", whole_number(0, 365), 7),
        image_proxy_hosts=env.read("IMAGE_PROXY_HOSTS", listed(host_suffix), picture_hosts),
        chat_requires_connection=env.read("CHAT_REQUIRES_CONNECTION", boolean, True),
    )


def _provider_url(reading: Reading, name: str, default: str) -> str:
    """Where a provider is; only tests and proxies of one's own name another place. Credentials go there."""
    url = reading.env.read(name, web_url, default)
    if reading.in_production and not url.startswith("https://"):
        reading.env.refuse(name, "must begin with https:// in production: credentials go there")
    return url


def _stripe(reading: Reading, wanted: bool) -> StripeSettings | None:
    env = reading.env
    secret_key = env.secret("STRIPE_SECRET_KEY")
    webhook_secret = env.secret("STRIPE_WEBHOOK_SECRET")
    publishable_key = env.find("STRIPE_PUBLISHABLE_KEY", IDENTIFIER)
    version_form = text(
        40, like=r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\.[a-z]+)?", what="a version such as 2023-10-16"
    )
    api_version = env.read("STRIPE_API_VERSION", version_form, "2023-10-16")
    needed = {"STRIPE_SECRET_KEY": secret_key, "STRIPE_WEBHOOK_SECRET": webhook_secret}
    if not reading.complete("stripe", wanted, needed) or secret_key is None or webhook_secret is None:
        return None
    if reading.in_production and "_test_" in secret_key.reveal():
        env.warn("STRIPE_SECRET_KEY", "is a test key: no real money will move")
    return StripeSettings(
        secret_key=secret_key,
        webhook_secret=webhook_secret,
        publishable_key=publishable_key,
        api_version=api_version,
    )


def _paypal(reading: Reading, wanted: bool) -> PayPalSettings | None:
    env = reading.env
    client_id = env.find("PAYPAL_CLIENT_ID", IDENTIFIER)
    client_secret = env.secret("PAYPAL_CLIENT_SECRET")
    mode = env.read("PAYPAL_MODE", choice(PayPalMode), PayPalMode.SANDBOX)
    webhook_id = env.find("PAYPAL_WEBHOOK_ID", IDENTIFIER)
    needed = {
        "PAYPAL_CLIENT_ID": client_id,
        "PAYPAL_CLIENT_SECRET": client_secret,
        "PAYPAL_WEBHOOK_ID": webhook_id,
    }
    if not reading.complete("paypal", wanted, needed):
        return None
    if client_id is None or client_secret is None or webhook_id is None:
        return None
    if reading.in_production and mode is PayPalMode.SANDBOX:
        env.warn("PAYPAL_MODE", "is sandbox: no real money will move")
    return PayPalSettings(client_id=client_id, client_secret=client_secret, mode=mode, webhook_id=webhook_id)


def _payme(reading: Reading, wanted: bool) -> PaymeSettings | None:
    env = reading.env
    merchant_id = env.find("PAYME_ID", IDENTIFIER)
    key = env.secret("PAYME_KEY")
    checkout_url = env.read("PAYME_CHECKOUT_URL", web_url, "https://checkout.paycom.uz")
    needed = {"PAYME_ID": merchant_id, "PAYME_KEY": key}
    if not reading.complete("payme", wanted, needed) or merchant_id is None or key is None:
        return None
    return PaymeSettings(merchant_id=merchant_id, key=key, checkout_url=checkout_url)


def _click(reading: Reading, wanted: bool) -> ClickSettings | None:
    env = reading.env
    service_id = env.find("CLICK_SERVICE_ID", IDENTIFIER)
    merchant_id = env.find("CLICK_MERCHANT_ID", IDENTIFIER)
    secret_key = env.secret("CLICK_SECRET_KEY")
    user_id = env.find("CLICK_USER_ID", IDENTIFIER)
    allowed: tuple[Network, ...] = ()
    allowed = env.read("CLICK_ALLOWED_IPS", listed(network), allowed)
    checkout_url = env.read("CLICK_CHECKOUT_URL", web_url, "https://my.click.uz/services/pay")
    needed = {
        "CLICK_SERVICE_ID": service_id,
        "CLICK_MERCHANT_ID": merchant_id,
        "CLICK_SECRET_KEY": secret_key,
        "CLICK_USER_ID": user_id,
    }
    if not reading.complete("click", wanted, needed):
        return None
    if service_id is None or merchant_id is None or secret_key is None or user_id is None:
        return None
    return ClickSettings(
        service_id=service_id,
        merchant_id=merchant_id,
        secret_key=secret_key,
        user_id=user_id,
        allowed_networks=allowed,
        checkout_url=checkout_url,
    )


def _crypto(reading: Reading, wanted: bool) -> CryptoSettings | None:
    env = reading.env
    api_url = env.find("CRYPTO_API_URL", web_url)
    api_key = env.secret("CRYPTO_API_KEY")
    webhook_secret = env.secret("CRYPTO_WEBHOOK_SECRET")
    needed = {
        "CRYPTO_API_URL": api_url,
        "CRYPTO_API_KEY": api_key,
        "CRYPTO_WEBHOOK_SECRET": webhook_secret,
    }
    if not reading.complete("crypto", wanted, needed):
        return None
    if api_url is None or api_key is None or webhook_secret is None:
        return None
    return CryptoSettings(api_url=api_url, api_key=api_key, webhook_secret=webhook_secret)


def _smtp(reading: Reading) -> SmtpSettings | None:
    env = reading.env
    smtp_host = env.find("SMTP_HOST", host, "EMAIL_HOST")
    port = env.read("SMTP_PORT", PORT, 587, "EMAIL_PORT")
    user = env.find("SMTP_USER", IDENTIFIER, "EMAIL_USER")
    password = reading.issued_secret("SMTP_PASS", "EMAIL_PASS")
    implicit_tls = env.read("SMTP_SECURE", boolean, port == 465)
    if smtp_host is None:
        return None
    if (user is None) is not (password is None):
        env.refuse("SMTP_USER" if user is None else "SMTP_PASS", "is missing: a sign-in needs both")
    return SmtpSettings(host=smtp_host, port=port, user=user, password=password, implicit_tls=implicit_tls)
