"""The environment is read once, as a whole, and refused as a whole when it would be insecure."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.security.secrets import Secret, fresh_secret, fresh_secrets
from infrastructure.settings import (
    AccountKind,
    Environment,
    LogFormat,
    LogLevel,
    MailTransport,
    PaymentProvider,
    PayPalMode,
    Settings,
    SettingsError,
    SmsProvider,
)

ROOT = Path(__file__).parents[2]

PRODUCTION = {
    "APP_ENV": "production",
    "APP_URL": "https://api.shop.uz",
    "FRONTEND_URL": "https://shop.uz",
    "JWT_SECRET": fresh_secret(),
    "JWT_REFRESH_SECRET": fresh_secret(),
    "PASSWORD_PEPPER": fresh_secret(),
    "ENCRYPTION_KEY": fresh_secret(),
    "DATABASE_URL": f"postgresql://daftar:{fresh_secret()}@db.internal:5432/daftar",
    "REDIS_URL": f"rediss://:{fresh_secret()}@redis.internal:6379/0",
    "NATS_URL": f"nats://{fresh_secret()}@nats.internal:4222",
    "S3_ENDPOINT": "https://s3.internal",
    "S3_ACCESS_KEY": "daftar",
    "S3_SECRET_KEY": fresh_secret(),
    "SMTP_HOST": "mail.internal",
}


SECRET_DIGITS = 64
"""A fresh secret differs from run to run, and so does the name of a test that would carry it."""


def read(environ: Mapping[str, str] | None = None, **more: str) -> Settings:
    return Settings.from_environment({**(environ or {}), **more})


def refused(environ: Mapping[str, str] | None = None, **more: str) -> dict[str, str]:
    """What is wrong, by variable."""
    with pytest.raises(SettingsError) as caught:
        read(environ, **more)
    return {problem.variable: problem.message for problem in caught.value.problems}


def said(environ: Mapping[str, str]) -> str:
    """Everything that reading this environment says: its warnings, or its error."""
    try:
        return "\n".join(read(environ).warnings)
    except SettingsError as error:
        return f"{error} {error!r}"


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in PRODUCTION.items() if name not in names}


def revealed(secret: Secret | None) -> str:
    assert secret is not None
    return secret.reveal()


class TestDefaults:
    def test_a_developer_needs_no_settings_at_all(self) -> None:
        settings = read()
        assert settings.environment is Environment.DEVELOPMENT
        assert settings.database.url is None
        assert settings.redis_url is None
        assert settings.nats_url is None
        assert settings.s3.endpoint is None
        assert settings.mail.smtp is None

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("process.data_dir", Path(".daftar")),
            ("process.workers", 1),
            ("process.command_queue_size", 4096),
            ("process.upstream_pause_seconds", 30),
            ("http.port", 3000),
            ("http.listen_host", "127.0.0.1"),
            ("http.api_version", "v1"),
            ("http.app_url", "http://localhost:3000"),
            ("http.frontend_url", "http://localhost:3000"),
            ("http.cors_origins", ("http://localhost:3000", "http://localhost:3001")),
            ("http.trusted_proxy_hops", 1),
            ("http.internal_networks", (ip_network("127.0.0.0/8"), ip_network("::1/128"))),
            ("http.openapi_enabled", True),
            ("http.metrics_token", None),
            ("database.pool_min", 2),
            ("database.pool_max", 20),
            ("tokens.access_lifetime", timedelta(minutes=15)),
            ("tokens.refresh_lifetime", timedelta(days=7)),
            ("tokens.issuer", "ecommerce-api"),
            ("tokens.audience", "ecommerce-frontend"),
            ("tokens.refresh_reuse_grace_seconds", 10),
            ("tokens.session_cache_seconds", 86_400),
            ("passwords.bcrypt_rounds", 12),
            ("accounts.api_key_prefix", "gm_"),
            ("accounts.email_verification_required_for", {"influencer", "salon"}),
            ("accounts.otp_lifetime_seconds", 300),
            ("accounts.otp_attempts_maximum", 3),
            ("accounts.otp_requests_maximum", 5),
            ("accounts.otp_request_window_seconds", 900),
            ("accounts.otp_requests_per_address_maximum", 20),
            ("accounts.super_admin_email", None),
            ("limits.enabled", True),
            ("limits.window", timedelta(minutes=15)),
            ("limits.anonymous_maximum", 100),
            ("limits.authenticated_maximum", 1000),
            ("limits.authentication_maximum", 5),
            ("limits.guesses_maximum", 50),
            ("limits.sync_maximum", 3),
            ("limits.slowdown_after", 50),
            ("limits.slowdown_step_ms", 500),
            ("limits.slowdown_max_ms", 20_000),
            ("s3.region", "us-east-1"),
            ("s3.bucket", "commerce-media"),
            ("payments.enabled", {PaymentProvider.SANDBOX}),
            ("commerce.platform_commission_bp", 1000),
            ("commerce.courier_fee", {"uzs": 1_500_000, "usd": 0}),
            ("commerce.tax_rate_bp", 800),
            ("commerce.default_currency", "usd"),
            ("commerce.price_ceiling", {"usd": 99_999_999, "uzs": 999_999_999_999}),
            ("commerce.order_payment_timeout", timedelta(hours=12)),
            ("commerce.payout_cron", "0 4 * * 1"),
            ("commerce.payout_minimum", {"usd": 0}),
            ("commerce.payout_hold_days", 0),
            ("mail.transport", MailTransport.SMTP),
            ("mail.company_name", "Your Store"),
            ("mail.support_email", "support@yourstore.com"),
            ("sms.provider", SmsProvider.LOG),
            ("community.social_cache_days", 7),
            ("community.chat_requires_connection", True),
            ("logging.level", LogLevel.INFO),
            ("logging.format", LogFormat.CONSOLE),
        ],
    )
    def test_each_setting_has_its_documented_default(self, path: str, value: object) -> None:
        found: Any = read()
        for name in path.split("."):
            found = getattr(found, name)
        assert found == value

    def test_production_listens_to_the_world_logs_json_and_hides_its_description(self) -> None:
        settings = read(PRODUCTION)
        assert settings.in_production
        assert settings.http.listen_host == "0.0.0.0"
        assert settings.logging.format is LogFormat.JSON
        assert settings.http.openapi_enabled is False
        assert settings.payments.enabled == frozenset()
        assert settings.sms.provider is SmsProvider.OFF

    def test_settings_cannot_be_changed_after_reading(self) -> None:
        settings = read()
        with pytest.raises(AttributeError):
            settings.http.port = 1  # type: ignore[misc]
        with pytest.raises(TypeError):
            settings.commerce.courier_fee["uzs"] = 0  # type: ignore[index]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "alias", "first", "second"),
        [
            ("APP_ENV", "NODE_ENV", "test", "development"),
            ("JWT_SECRET", "JWT_ACCESS_SECRET", fresh_secret(), fresh_secret()),
            ("JWT_EXPIRES_IN", "JWT_EXPIRE", "1h", "2h"),
            ("JWT_EXPIRES_IN", "ACCESS_TOKEN_EXPIRES_IN", "1h", "2h"),
            ("JWT_REFRESH_EXPIRES_IN", "JWT_REFRESH_EXPIRE", "1d", "2d"),
            ("JWT_REFRESH_EXPIRES_IN", "REFRESH_TOKEN_EXPIRES_IN", "1d", "2d"),
            ("CORS_ORIGINS", "ALLOWED_ORIGINS", "https://a.uz", "https://b.uz"),
            ("CORS_ORIGINS", "CORS_ORIGIN", "https://a.uz", "https://b.uz"),
            ("S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "one", "two"),
            ("S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", fresh_secret(), fresh_secret()),
            ("S3_REGION", "AWS_REGION", "eu-west-1", "eu-west-2"),
            ("S3_BUCKET", "AWS_S3_BUCKET", "one", "two"),
            ("SMTP_HOST", "EMAIL_HOST", "one.uz", "two.uz"),
            ("SMTP_PORT", "EMAIL_PORT", "25", "465"),
            ("SMTP_USER", "EMAIL_USER", "one", "two"),
            ("SMTP_PASS", "EMAIL_PASS", "one", "two"),
        ],
        ids=lambda value: "secret" if len(value) == SECRET_DIGITS else None,
    )
    def test_an_older_name_is_understood_and_the_first_name_wins(
        self, name: str, alias: str, first: str, second: str
    ) -> None:
        fixed = fresh_secrets() | {
            "S3_ENDPOINT": "http://s3:9000",
            "S3_ACCESS_KEY": "k",
            "S3_SECRET_KEY": "s",
        }
        fixed |= {"SMTP_HOST": "mail.uz", "SMTP_USER": "u", "SMTP_PASS": "p"}
        fixed.pop(name, None)
        assert read(fixed, **{alias: second}) == read(fixed, **{name: second})
        assert read(fixed, **{name: first, alias: second}) == read(fixed, **{name: first})
        assert read(fixed, **{name: first}) != read(fixed, **{name: second})

    def test_every_older_name_is_tested_above(self) -> None:
        tested = {
            (name, alias)
            for name, alias, *_ in self.test_an_older_name_is_understood_and_the_first_name_wins.pytestmark[
                0
            ].args[1]  # type: ignore[attr-defined]
        }
        known = {(variable.name, alias) for variable in Settings.variables() for alias in variable.aliases}
        assert tested == known

    def test_an_empty_variable_is_one_that_is_not_set(self) -> None:
        empty = {variable.name: "  " for variable in Settings.variables()}
        fixed = {"tokens", "passwords", "encryption"}
        usual, emptied = read(), read(empty)
        for name in usual.__struct_fields__:
            if name not in fixed:
                assert getattr(emptied, name) == getattr(usual, name)

    def test_an_empty_first_name_lets_the_older_one_speak(self) -> None:
        assert read(NODE_ENV="test", APP_ENV="").environment is Environment.TEST

    def test_no_variable_is_read_twice(self) -> None:
        names = [name for each in Settings.variables() for name in (each.name, *each.aliases)]
        assert len(names) == len(set(names))


class TestValues:
    @pytest.mark.parametrize(
        ("text", "length"),
        [
            ("30s", timedelta(seconds=30)),
            ("15m", timedelta(minutes=15)),
            ("12h", timedelta(hours=12)),
            ("7d", timedelta(days=7)),
            ("2w", timedelta(weeks=2)),
            ("1h30m", timedelta(minutes=90)),
        ],
    )
    def test_a_duration_is_written_with_its_unit(self, text: str, length: timedelta) -> None:
        assert read(ORDER_PAYMENT_TIMEOUT=text).commerce.order_payment_timeout == length

    @pytest.mark.parametrize(
        "text", ["900", "15", "15 m", "m", "-15m", "1.5h", "0s", "15M", "9999999d", "\u0661\u0665m", "1e3s"]
    )
    def test_a_duration_that_could_be_misread_is_refused(self, text: str) -> None:
        assert "ORDER_PAYMENT_TIMEOUT" in refused(ORDER_PAYMENT_TIMEOUT=text)

    @pytest.mark.parametrize(
        ("text", "basis_points"),
        [("0", 0), ("0.1", 1000), ("0.10", 1000), ("0.0825", 825), ("0.0001", 1), ("1", 10_000)],
    )
    def test_a_rate_is_whole_basis_points(self, text: str, basis_points: int) -> None:
        assert read(TAX_RATE=text).commerce.tax_rate_bp == basis_points

    @pytest.mark.parametrize(
        "text", ["0.00001", "0.08255", "-0.1", "8%", "1.0001", "nan", "1e-2", "0,08", ".5"]
    )
    def test_a_rate_that_would_have_to_be_rounded_is_refused(self, text: str) -> None:
        assert "TAX_RATE" in refused(TAX_RATE=text)

    def test_the_platform_never_takes_everything(self) -> None:
        assert read(PLATFORM_COMMISSION="0.9999").commerce.platform_commission_bp == 9999
        assert "PLATFORM_COMMISSION" in refused(PLATFORM_COMMISSION="1")

    @given(st.integers(0, 10_000))
    def test_every_rate_in_basis_points_is_read_exactly(self, basis_points: int) -> None:
        assert read(TAX_RATE=f"{Decimal(basis_points) / 10_000:f}").commerce.tax_rate_bp == basis_points

    def test_money_is_read_into_minor_units_of_each_currency(self) -> None:
        ceiling = read(MAX_PRICE="usd:10.5, JPY:1500,kwd:1.234").commerce.price_ceiling
        assert ceiling == {"usd": 1050, "jpy": 1500, "kwd": 1234}

    @given(st.integers(0, 10**15 - 1))
    def test_every_amount_of_cents_is_read_exactly(self, cents: int) -> None:
        text = f"usd:{Decimal(cents).scaleb(-2):f}"
        assert read(MAX_PRICE=text).commerce.price_ceiling == {"usd": cents}

    @pytest.mark.parametrize(
        "text",
        [
            "10",
            "usd",
            "usd:",
            "usd:ten",
            "usd:-1",
            "usd:1.999",
            "jpy:1.5",
            "dollars:1",
            "usd:1,usd:2",
            "usd:1e5",
        ],
    )
    def test_money_that_is_unclear_is_refused(self, text: str) -> None:
        assert "MAX_PRICE" in refused(MAX_PRICE=text)

    def test_a_bare_courier_fee_is_in_soum(self) -> None:
        assert read(COURIER_FEE_DEFAULT="20000").commerce.courier_fee == {"uzs": 2_000_000, "usd": 0}

    def test_a_courier_fee_by_currency_is_taken_as_it_is(self) -> None:
        assert read(COURIER_FEE_DEFAULT="eur:4.90").commerce.courier_fee == {"eur": 490}

    def test_a_bare_payout_minimum_is_in_the_default_currency(self) -> None:
        settings = read(DEFAULT_CURRENCY="UZS", PAYOUT_MIN_AMOUNT="50000")
        assert settings.commerce.payout_minimum == {"uzs": 5_000_000}

    @pytest.mark.parametrize(
        ("text", "value"),
        [("true", True), ("1", True), ("YES", True), ("on", True), ("off", False), ("False", False)],
    )
    def test_a_switch_is_on_or_off(self, text: str, value: bool) -> None:
        assert read(CHAT_REQUIRES_CONNECTION=text).community.chat_requires_connection is value

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("APP_ENV", "staging"),
            ("PORT", "http"),
            ("PORT", "65536"),
            ("PORT", "-1"),
            ("PORT", "3_000"),
            ("PORT", "\u0663\u0660\u0660\u0660"),
            ("WORKERS", "0"),
            ("API_VERSION", "1"),
            ("APP_URL", "shop.uz"),
            ("APP_URL", "ftp://shop.uz"),
            ("APP_URL", "https://me:pw@shop.uz"),
            ("APP_URL", "https://shop.uz:port"),
            ("APP_URL", "https://[::1"),
            ("FRONTEND_URL", "https://shop.uz/#top"),
            ("CORS_ORIGINS", "*"),
            ("CORS_ORIGINS", "https://shop.uz,*"),
            ("CORS_ORIGINS", "https://*.shop.uz"),
            ("CORS_ORIGINS", "https://shop.uz/path"),
            ("INTERNAL_NETWORKS", "10.0.0.1/8"),
            ("INTERNAL_NETWORKS", "home"),
            ("TRUST_PROXY_HOPS", "many"),
            ("DATABASE_URL", "mysql://localhost/shop"),
            ("DATABASE_URL", "localhost"),
            ("DB_SSLMODE", "maybe"),
            ("REDIS_URL", "http://localhost"),
            ("NATS_URL", "localhost:4222"),
            ("NATS_URL", "nats://one:4222,http://two"),
            ("JWT_EXPIRES_IN", "soon"),
            ("BCRYPT_ROUNDS", "9"),
            ("BCRYPT_ROUNDS", "31"),
            ("ENCRYPTION_KEY", "0123456789abcdef0123456789abcdef"),
            pytest.param(
                "ENCRYPTION_KEYS_PREVIOUS", f"{fresh_secret()},short", id="ENCRYPTION_KEYS_PREVIOUS"
            ),
            ("JWT_SECRET", "short"),
            ("JWT_SECRETS_PREVIOUS", "short"),
            ("API_KEY_PREFIX", "g m"),
            ("EMAIL_VERIFICATION_REQUIRED_FOR", "salon,king"),
            ("S3_ENDPOINT", "s3:9000"),
            ("S3_BUCKET", "My Bucket"),
            ("PAYMENT_PROVIDERS", "stripe,venmo"),
            ("PAYPAL_MODE", "test"),
            ("CLICK_ALLOWED_IPS", "click.uz"),
            ("DEFAULT_CURRENCY", "dollar"),
            ("PAYOUT_CRON", "daily"),
            ("PAYOUT_CRON", "60 4 * * 1"),
            ("PAYOUT_CRON", "0 4 * * 8"),
            ("PAYOUT_CRON", "0 4 0 * *"),
            ("PAYOUT_CRON", "*/0 4 * * *"),
            ("PAYOUT_CRON", "0 20-4 * * *"),
            ("MAIL_TRANSPORT", "pigeon"),
            ("SMTP_SECURE", "perhaps"),
            ("EMAIL_FROM", "Shop"),
            ("SUPPORT_EMAIL", "nobody"),
            ("SMS_PROVIDER", "post"),
            ("IMAGE_PROXY_HOSTS", "com"),
            ("IMAGE_PROXY_HOSTS", "https://cdn.example.com"),
            ("SCHEDULER_TIMEZONE", "Mars/Olympus"),
            ("SCHEDULER_TIMEZONE", "../../etc/passwd"),
            ("LOG_LEVEL", "loud"),
            ("LOG_FORMAT", "xml"),
            ("COMPANY_NAME", "two\nlines"),
            ("COMPANY_NAME", "x" * 101),
            ("DAFTAR_DATA_DIR", "nul\0byte"),
            ("COMPANY_NAME", "not \udcff UTF-8"),
        ],
    )
    def test_a_value_that_makes_no_sense_is_refused_by_name(self, name: str, text: str) -> None:
        problems = refused({name: text})
        assert set(problems) == {name}

    @pytest.mark.parametrize("text", ["0 4 * * 1", "*/15 * * * *", "0 0-6/2 1,15 * 0-7", "30  4 * * 7"])
    def test_a_schedule_in_five_fields_is_understood(self, text: str) -> None:
        assert read(PAYOUT_CRON=text).commerce.payout_cron == " ".join(text.split())

    def test_levels_are_understood_in_any_case_and_by_their_long_name(self) -> None:
        assert read(LOG_LEVEL="warning").logging.level is LogLevel.WARN
        assert read(LOG_LEVEL="debug").logging.level is LogLevel.DEBUG

    def test_a_time_zone_is_one_of_the_world(self) -> None:
        assert str(read(SCHEDULER_TIMEZONE="Asia/Tashkent").scheduler_timezone) == "Asia/Tashkent"

    @pytest.mark.parametrize(
        ("name", "read_list"),
        [
            (
                "EMAIL_VERIFICATION_REQUIRED_FOR",
                lambda settings: settings.accounts.email_verification_required_for,
            ),
            ("PAYMENT_PROVIDERS", lambda settings: settings.payments.enabled),
            ("IMAGE_PROXY_HOSTS", lambda settings: settings.community.image_proxy_hosts),
            ("INTERNAL_NETWORKS", lambda settings: settings.http.internal_networks),
        ],
    )
    def test_a_list_is_emptied_with_none(self, name: str, read_list: Any) -> None:
        assert read_list(read())
        assert not read_list(read({name: "none"}))

    def test_kinds_of_account_are_plain_words_too(self) -> None:
        kinds = read(EMAIL_VERIFICATION_REQUIRED_FOR="Seller").accounts.email_verification_required_for
        assert kinds == {AccountKind.SELLER}
        assert "seller" in kinds


class TestOrigins:
    def test_the_shop_itself_may_always_call(self) -> None:
        settings = read(FRONTEND_URL="https://shop.uz/en/", CORS_ORIGINS="https://admin.shop.uz")
        assert settings.http.cors_origins == ("https://admin.shop.uz", "https://shop.uz")
        assert settings.http.frontend_url == "https://shop.uz/en"

    def test_origins_are_compared_as_browsers_write_them(self) -> None:
        settings = read(
            FRONTEND_URL="http://localhost",
            CORS_ORIGINS=" https://Shop.UZ:443/ ,http://[::1]:80,https://a.uz:8443",
        )
        assert settings.http.cors_origins == (
            "https://shop.uz",
            "http://[::1]",
            "https://a.uz:8443",
            "http://localhost",
        )


class TestServers:
    def test_the_database_url_wins_over_its_parts(self) -> None:
        settings = read(DATABASE_URL="postgresql://a@b/c", DB_HOST="elsewhere", DB_PASSWORD="x")
        assert revealed(settings.database.url) == "postgresql://a@b/c"

    def test_a_database_url_is_made_of_parts(self) -> None:
        parts = {
            "DB_HOST": "db",
            "DB_PORT": "6432",
            "DB_NAME": "my shop",
            "DB_USER": "me",
            "DB_PASSWORD": "p@ss/w:rd",
        }
        problems = refused(parts)
        assert set(problems) == {"DB_NAME"}
        url = read(parts | {"DB_NAME": "shop"}).database.url
        assert revealed(url) == "postgresql://me:p%40ss%2Fw%3Ard@db:6432/shop"

    def test_one_part_is_enough(self) -> None:
        assert (
            revealed(read(DB_PASSWORD="x").database.url) == "postgresql://postgres:x@localhost:5432/commerce"
        )

    @pytest.mark.parametrize(
        ("host", "in_url"),
        [("::1", "[::1]"), ("[fe80::1]", "[fe80::1]"), ("/var/run/pg", "%2Fvar%2Frun%2Fpg")],
    )
    def test_the_database_may_be_an_address_or_a_socket(self, host: str, in_url: str) -> None:
        assert f"@{in_url}:5432/" in revealed(read(DB_HOST=host).database.url)

    def test_several_database_hosts_are_left_as_they_are(self) -> None:
        url = "postgresql://me@one:5432,two:5433/shop?target_session_attrs=read-write"
        assert revealed(read(DATABASE_URL=url).database.url) == url

    def test_production_talks_to_the_database_over_tls(self) -> None:
        assert revealed(read(PRODUCTION).database.url).endswith("/daftar?sslmode=require")

    def test_an_explicit_choice_about_tls_is_kept_and_warned_about(self) -> None:
        settings = read(PRODUCTION, DATABASE_URL=PRODUCTION["DATABASE_URL"] + "?sslmode=disable")
        assert revealed(settings.database.url).endswith("?sslmode=disable")
        assert any("without TLS" in warning for warning in settings.warnings)
        verified = read(PRODUCTION, DB_SSLMODE="verify-full")
        assert revealed(verified.database.url).endswith("?sslmode=verify-full")

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    def test_a_database_on_this_machine_needs_no_tls(self, host: str) -> None:
        url = f"postgresql://daftar:{fresh_secret()}@{host}:5432/daftar"
        assert revealed(read(PRODUCTION, DATABASE_URL=url).database.url) == url

    def test_a_pool_is_not_smaller_than_its_least(self) -> None:
        assert "DB_POOL_MIN" in refused(DB_POOL_MIN="5", DB_POOL_MAX="4")

    def test_a_redis_url_is_made_of_parts(self) -> None:
        url = read(REDIS_HOST="cache", REDIS_PASSWORD="p@ss", REDIS_DB="3").redis_url
        assert revealed(url) == "redis://:p%40ss@cache:6379/3"
        assert revealed(read(REDIS_DB="1").redis_url) == "redis://localhost:6379/1"

    def test_the_redis_url_wins(self) -> None:
        assert revealed(read(REDIS_URL="redis://a:1/2", REDIS_HOST="b").redis_url) == "redis://a:1/2"

    def test_a_cluster_of_nats_servers_is_a_list(self) -> None:
        assert revealed(read(NATS_URL="nats://a:4222,tls://b:4222").nats_url) == "nats://a:4222,tls://b:4222"

    def test_keys_of_aws_in_a_developers_shell_do_not_move_the_media_there(self) -> None:
        settings = read(AWS_ACCESS_KEY_ID="AKIASOMEBODY", AWS_SECRET_ACCESS_KEY="private")
        assert settings.s3.endpoint is None
        assert settings.s3.access_key is None
        assert settings.s3.secret_key is None
        assert any(warning.startswith("S3_ENDPOINT") for warning in settings.warnings)

    def test_in_production_keys_without_an_endpoint_mean_aws(self) -> None:
        settings = read(without("S3_ENDPOINT"), S3_REGION="eu-central-1")
        assert settings.s3.endpoint == "https://s3.eu-central-1.amazonaws.com"

    def test_browsers_may_reach_the_store_elsewhere(self) -> None:
        assert read(PRODUCTION).s3.public_endpoint == "https://s3.internal"
        assert (
            read(PRODUCTION, S3_PUBLIC_ENDPOINT="https://media.shop.uz").s3.public_endpoint
            == "https://media.shop.uz"
        )

    def test_a_store_needs_its_keys(self) -> None:
        assert set(refused(S3_ENDPOINT="http://minio:9000")) == {"S3_ACCESS_KEY", "S3_SECRET_KEY"}


class TestDevelopmentSecrets:
    def test_missing_secrets_are_made_anew_and_warned_about(self) -> None:
        one, two = read(), read()
        assert one.tokens.access_secret != two.tokens.access_secret
        assert len(one.warnings) == 4
        assert all("random" in warning for warning in one.warnings)

    def test_the_secrets_of_the_data_folder_are_used_where_none_is_set(self) -> None:
        kept = fresh_secrets()
        settings = Settings.from_environment({"JWT_SECRET": fresh_secret()}, development_secrets=kept)
        assert settings.tokens.access_secret != Secret(kept["JWT_SECRET"])
        assert settings.tokens.refresh_secret == Secret(kept["JWT_REFRESH_SECRET"])
        assert settings.encryption.key == Secret(kept["ENCRYPTION_KEY"])
        assert settings.passwords.pepper == Secret(kept["PASSWORD_PEPPER"])
        assert len(settings.warnings) == 3

    def test_production_never_uses_them(self) -> None:
        with pytest.raises(SettingsError, match="JWT_SECRET is missing"):
            Settings.from_environment(without("JWT_SECRET"), development_secrets=fresh_secrets())

    def test_a_well_known_secret_is_warned_about(self) -> None:
        settings = read(JWT_SECRET="ultramarket_jwt_secret_ultramarket_jwt_secret")
        assert any("JWT_SECRET is a well-known default" in warning for warning in settings.warnings)

    def test_only_tests_may_hash_passwords_cheaply(self) -> None:
        assert read(APP_ENV="test", BCRYPT_ROUNDS="4").passwords.bcrypt_rounds == 4
        assert "BCRYPT_ROUNDS" in refused(APP_ENV="development", BCRYPT_ROUNDS="4")
        assert "BCRYPT_ROUNDS" in refused(PRODUCTION, BCRYPT_ROUNDS="9")


class TestProduction:
    def test_a_complete_environment_is_accepted_without_a_warning(self) -> None:
        assert read(PRODUCTION).warnings == ()

    @pytest.mark.parametrize(
        "name",
        [
            "JWT_SECRET",
            "JWT_REFRESH_SECRET",
            "PASSWORD_PEPPER",
            "ENCRYPTION_KEY",
            "DATABASE_URL",
            "REDIS_URL",
            "NATS_URL",
            "S3_ACCESS_KEY",
            "S3_SECRET_KEY",
            "SMTP_HOST",
        ],
    )
    def test_what_is_missing_is_refused(self, name: str) -> None:
        assert set(refused(without(name))) == {name}

    def test_all_that_is_missing_is_said_at_once(self) -> None:
        assert len(refused(APP_ENV="production")) == 10

    @pytest.mark.parametrize(
        "name",
        [
            "JWT_SECRET",
            "JWT_REFRESH_SECRET",
            "PASSWORD_PEPPER",
            "ENCRYPTION_KEY",
            "METRICS_TOKEN",
            "REDIS_PASSWORD",
        ],
    )
    @pytest.mark.parametrize(
        "value", ["short", "a" * 64, "your_super_secret_key_change_in_production", "ultramarket_jwt_secret"]
    )
    def test_a_secret_that_can_be_guessed_is_refused(self, name: str, value: str) -> None:
        assert name in refused(PRODUCTION, **{name: value})

    @pytest.mark.parametrize("password", ["", "postgres", "short-but-random-7261", "x" * 40])
    def test_a_database_password_of_ours_is_long_and_not_guessed(self, password: str) -> None:
        assert set(refused(without("DATABASE_URL"), DB_HOST="db", DB_PASSWORD=password)) == {"DB_PASSWORD"}

    def test_a_guessed_password_inside_a_database_url_is_refused(self) -> None:
        assert set(refused(PRODUCTION, DATABASE_URL="postgresql://postgres:postgres@db/shop")) == {
            "DATABASE_URL"
        }

    def test_a_short_password_of_a_managed_database_is_warned_about(self) -> None:
        settings = read(PRODUCTION, DATABASE_URL="postgresql://me:k3Jd82hSl0aQ@db.managed.example/shop")
        assert settings.warnings == ("DATABASE_URL holds a password of less than 32 characters.",)

    def test_access_and_refresh_tokens_need_different_secrets(self) -> None:
        assert set(refused(PRODUCTION, JWT_REFRESH_SECRET=PRODUCTION["JWT_SECRET"])) == {"JWT_REFRESH_SECRET"}

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("PASSWORD_PEPPER", "JWT_SECRET"),
            ("ENCRYPTION_KEY", "PASSWORD_PEPPER"),
            ("METRICS_TOKEN", "JWT_REFRESH_SECRET"),
            ("JWT_SECRETS_PREVIOUS", "PASSWORD_PEPPER"),
            ("JWT_SECRETS_PREVIOUS", "JWT_REFRESH_SECRET"),
        ],
    )
    def test_a_secret_has_one_purpose(self, name: str, other: str) -> None:
        assert len(refused(PRODUCTION, **{name: PRODUCTION[other]})) == 1

    def test_a_secret_that_was_put_aside_may_still_be_in_use(self) -> None:
        assert read(PRODUCTION, JWT_SECRETS_PREVIOUS=PRODUCTION["JWT_SECRET"]).warnings == ()

    @pytest.mark.parametrize("name", ["JWT_SECRETS_PREVIOUS", "JWT_REFRESH_SECRETS_PREVIOUS"])
    def test_tokens_of_a_secret_that_can_be_guessed_are_never_taken(self, name: str) -> None:
        for value in ("short", "a" * 64, "ultramarket_jwt_secret_ultramarket_jwt_secret"):
            assert set(refused(PRODUCTION, **{name: f"{fresh_secret()},{value}"})) == {name}

    def test_what_a_guessable_key_has_wrapped_can_still_be_opened(self) -> None:
        settings = read(PRODUCTION, ENCRYPTION_KEYS_PREVIOUS="ab" * 32)
        assert [warning.split()[0] for warning in settings.warnings] == ["ENCRYPTION_KEYS_PREVIOUS"]

    @pytest.mark.parametrize(
        ("name", "more"),
        [
            ("SMTP_PASS", {"SMTP_USER": "robot"}),
            ("RESEND_API_KEY", {}),
            ("ESKIZ_PASSWORD", {}),
            ("TWILIO_AUTH_TOKEN", {}),
            ("TIKTOK_CLIENT_SECRET", {"TIKTOK_CLIENT_KEY": "key"}),
            ("APIFY_API_TOKEN", {}),
        ],
    )
    def test_a_placeholder_for_what_others_issue_is_refused(self, name: str, more: dict[str, str]) -> None:
        assert set(refused(PRODUCTION, **more, **{name: "your-password-changeme"})) == {name}
        assert read(PRODUCTION, **more, **{name: "k3Jd82hSl0aQ"}).warnings == ()

    def test_nats_wants_to_know_who_comes(self) -> None:
        open_door = read(PRODUCTION, NATS_URL=f"nats://{fresh_secret()}@a:4222,nats://b:4222")
        assert [warning.split()[0] for warning in open_door.warnings] == ["NATS_URL"]
        assert set(refused(PRODUCTION, NATS_URL="nats://daftar:changeme@nats:4222")) == {"NATS_URL"}
        assert set(refused(PRODUCTION, NATS_URL="nats://secret@nats:4222")) == {"NATS_URL"}

    def test_internals_are_not_shown_to_the_whole_world(self) -> None:
        assert set(refused(PRODUCTION, INTERNAL_NETWORKS="10.0.0.0/8,0.0.0.0/0")) == {"INTERNAL_NETWORKS"}
        assert set(refused(PRODUCTION, INTERNAL_NETWORKS="::/0")) == {"INTERNAL_NETWORKS"}

    def test_metrics_that_nobody_can_read_and_https_that_nobody_brings_are_warned_about(self) -> None:
        settings = read(PRODUCTION, INTERNAL_NETWORKS="none", TRUST_PROXY_HOPS="0")
        assert {warning.split()[0] for warning in settings.warnings} == {"METRICS_TOKEN", "TRUST_PROXY_HOPS"}
        assert read(PRODUCTION, INTERNAL_NETWORKS="none", METRICS_TOKEN=fresh_secret()).warnings == ()

    def test_a_fixed_nonce_is_warned_about_and_ignored(self) -> None:
        settings = read(PRODUCTION, ENCRYPTION_IV="00" * 16)
        assert len(settings.warnings) == 1
        assert settings.warnings[0].startswith("ENCRYPTION_IV is ignored")
        assert msgspec.structs.replace(settings, warnings=()) == read(PRODUCTION)

    def test_no_page_of_a_stranger_may_call_with_credentials(self) -> None:
        assert set(refused(PRODUCTION, CORS_ORIGINS="*")) == {"CORS_ORIGINS"}

    def test_the_provider_that_takes_no_money_is_refused(self) -> None:
        assert set(refused(PRODUCTION, PAYMENT_PROVIDERS="sandbox")) == {"PAYMENT_PROVIDERS"}

    def test_codes_and_personal_data_do_not_go_to_the_log(self) -> None:
        assert set(refused(PRODUCTION, MAIL_TRANSPORT="log", SMS_PROVIDER="log")) == {
            "MAIL_TRANSPORT",
            "SMS_PROVIDER",
        }

    def test_links_to_nowhere_and_open_doors_are_warned_about(self) -> None:
        settings = read(without("APP_URL"), FRONTEND_URL="http://shop.uz", RATE_LIMIT_ENABLED="off")
        assert {warning.split()[0] for warning in settings.warnings} == {
            "APP_URL",
            "FRONTEND_URL",
            "RATE_LIMIT_ENABLED",
        }

    def test_fresh_secrets_are_accepted(self) -> None:
        assert read(without("DATABASE_URL", "REDIS_URL"), DB_HOST="db", REDIS_HOST="redis", **fresh_secrets())


class TestPayments:
    SETS: ClassVar[dict[str, dict[str, str]]] = {
        "stripe": {"STRIPE_SECRET_KEY": "sk_" + "live_51Hx", "STRIPE_WEBHOOK_SECRET": "whsec_9f2k"},
        "paypal": {
            "PAYPAL_CLIENT_ID": "Aex",
            "PAYPAL_CLIENT_SECRET": "Eex7fj3",
            "PAYPAL_WEBHOOK_ID": "8PT",
            "PAYPAL_MODE": "live",
        },
        "payme": {"PAYME_ID": "5e730e8e0b852a417aa49ceb", "PAYME_KEY": "ZPDODSiTYKuX0j"},
        "click": {
            "CLICK_SERVICE_ID": "1",
            "CLICK_MERCHANT_ID": "2",
            "CLICK_SECRET_KEY": "AbC9kd2",
            "CLICK_USER_ID": "3",
        },
        "crypto": {
            "CRYPTO_API_URL": "https://pay.example.com/",
            "CRYPTO_API_KEY": "k8f2j3m1",
            "CRYPTO_WEBHOOK_SECRET": "w8f2j3m1",
        },
    }

    @pytest.mark.parametrize("provider", SETS)
    def test_a_provider_that_is_wanted_and_complete_is_on(self, provider: str) -> None:
        settings = read(PRODUCTION, **self.SETS[provider], PAYMENT_PROVIDERS=provider)
        assert settings.payments.enabled == {PaymentProvider(provider)}
        assert getattr(settings.payments, provider) is not None
        assert settings.warnings == ()

    @pytest.mark.parametrize("provider", SETS)
    def test_a_provider_that_is_not_wanted_is_off(self, provider: str) -> None:
        settings = read(PRODUCTION, **self.SETS[provider])
        assert settings.payments.enabled == frozenset()

    @pytest.mark.parametrize(
        ("provider", "missing"),
        [(provider, name) for provider, names in SETS.items() for name in names if name != "PAYPAL_MODE"],
    )
    def test_a_wanted_provider_that_lacks_something_is_off_and_refused_in_production(
        self, provider: str, missing: str
    ) -> None:
        rest = {name: value for name, value in self.SETS[provider].items() if name != missing}
        settings = read(rest, PAYMENT_PROVIDERS=f"{provider},sandbox")
        assert settings.payments.enabled == {PaymentProvider.SANDBOX}
        assert f"{missing} is not set, so {provider} is off." in settings.warnings
        assert set(refused(PRODUCTION, **rest, PAYMENT_PROVIDERS=provider)) == {missing}

    def test_play_money_in_production_is_warned_about(self) -> None:
        both = (
            self.SETS["paypal"]
            | self.SETS["stripe"]
            | {"PAYPAL_MODE": "", "STRIPE_SECRET_KEY": "sk_test_51Hx"}
        )
        settings = read(PRODUCTION, **both, PAYMENT_PROVIDERS="stripe,paypal")
        assert settings.payments.paypal is not None
        assert settings.payments.paypal.mode is PayPalMode.SANDBOX
        assert {warning.split()[0] for warning in settings.warnings} == {"PAYPAL_MODE", "STRIPE_SECRET_KEY"}

    def test_a_placeholder_is_not_a_key(self) -> None:
        keys = self.SETS["payme"] | {"PAYME_KEY": "your-payme-key-changeme"}
        assert set(refused(PRODUCTION, **keys, PAYMENT_PROVIDERS="payme")) == {"PAYME_KEY"}

    def test_click_may_be_held_to_its_addresses(self) -> None:
        settings = read(
            self.SETS["click"], PAYMENT_PROVIDERS="click", CLICK_ALLOWED_IPS="217.29.119.130, 10.1.0.0/16"
        )
        assert settings.payments.click is not None
        assert settings.payments.click.allowed_networks == (
            ip_network("217.29.119.130"),
            ip_network("10.1.0.0/16"),
        )

    def test_an_order_that_ends_before_its_payme_transaction_is_warned_about(self) -> None:
        settings = read(
            PRODUCTION, **self.SETS["payme"], PAYMENT_PROVIDERS="payme", ORDER_PAYMENT_TIMEOUT="1h"
        )
        assert [warning.split()[0] for warning in settings.warnings] == ["ORDER_PAYMENT_TIMEOUT"]


class TestMessages:
    @pytest.mark.parametrize(
        ("port", "secure", "implicit"),
        [("587", "", False), ("465", "", True), ("2525", "true", True), ("465", "false", False)],
    )
    def test_mail_is_encrypted_from_the_start_where_the_port_says_so(
        self, port: str, secure: str, implicit: bool
    ) -> None:
        smtp = read(SMTP_HOST="mail.uz", SMTP_PORT=port, SMTP_SECURE=secure).mail.smtp
        assert smtp is not None
        assert smtp.implicit_tls is implicit

    @pytest.mark.parametrize(
        ("environ", "sender"),
        [
            ({}, "support@yourstore.com"),
            ({"SUPPORT_EMAIL": "help@shop.uz"}, "help@shop.uz"),
            ({"SMTP_HOST": "mail.uz", "SMTP_USER": "robot@shop.uz", "SMTP_PASS": "x"}, "robot@shop.uz"),
            ({"SMTP_HOST": "mail.uz", "SMTP_USER": "robot", "SMTP_PASS": "x"}, "support@yourstore.com"),
            ({"EMAIL_FROM": "Shop <hello@shop.uz>"}, "Shop <hello@shop.uz>"),
        ],
    )
    def test_mail_has_a_sender(self, environ: dict[str, str], sender: str) -> None:
        assert read(environ).mail.sender == sender

    def test_a_mail_sign_in_needs_both_halves(self) -> None:
        assert set(refused(SMTP_HOST="mail.uz", SMTP_USER="robot")) == {"SMTP_PASS"}
        assert set(refused(SMTP_HOST="mail.uz", SMTP_PASS="x")) == {"SMTP_USER"}

    def test_resend_needs_its_key(self) -> None:
        assert set(refused(MAIL_TRANSPORT="resend")) == {"RESEND_API_KEY"}
        assert read(without("SMTP_HOST"), MAIL_TRANSPORT="resend", RESEND_API_KEY="re_9f2k").mail.smtp is None

    def test_the_provider_of_text_messages_needs_its_settings(self) -> None:
        assert set(refused(SMS_PROVIDER="eskiz")) == {"ESKIZ_EMAIL", "ESKIZ_PASSWORD"}
        assert set(refused(SMS_PROVIDER="twilio", TWILIO_FROM="+1")) == {
            "TWILIO_ACCOUNT_SID",
            "TWILIO_AUTH_TOKEN",
        }
        eskiz = read(SMS_PROVIDER="eskiz", ESKIZ_EMAIL="me@shop.uz", ESKIZ_PASSWORD="x").sms.eskiz
        assert eskiz is not None
        assert eskiz.email == "me@shop.uz"

    def test_the_super_administrator_needs_both_halves(self) -> None:
        assert set(refused(SUPER_ADMIN_EMAIL="boss@shop.uz")) == {"SUPER_ADMIN_PASSWORD"}
        assert set(refused(SUPER_ADMIN_PASSWORD="correct horse")) == {"SUPER_ADMIN_EMAIL"}
        assert set(refused(SUPER_ADMIN_EMAIL="boss@shop.uz", SUPER_ADMIN_PASSWORD="short")) == {
            "SUPER_ADMIN_PASSWORD"
        }
        email = read(
            SUPER_ADMIN_EMAIL="boss@shop.uz", SUPER_ADMIN_PASSWORD="correct horse"
        ).accounts.super_admin_email
        assert email == "boss@shop.uz"

    def test_tiktok_is_on_when_both_halves_are_there(self) -> None:
        assert read(TIKTOK_CLIENT_KEY="k").community.tiktok is None
        assert read(TIKTOK_CLIENT_KEY="k", TIKTOK_CLIENT_SECRET="s").community.tiktok is not None


class TestSecrecy:
    MARK = "zq7-must-not-be-seen"

    def test_settings_show_no_secret(self) -> None:
        names = {"JWT_SECRET", "JWT_REFRESH_SECRET", "PASSWORD_PEPPER", "ENCRYPTION_KEY", "S3_SECRET_KEY"}
        names |= {"DATABASE_URL", "REDIS_URL", "NATS_URL"}
        shown = repr(read(PRODUCTION))
        assert [name for name in names if PRODUCTION[name] in shown] == []

    def test_settings_do_not_become_a_message(self) -> None:
        with pytest.raises(TypeError):
            msgspec.json.encode(read())

    @pytest.mark.parametrize("name", [variable.name for variable in Settings.variables()])
    def test_whatever_is_wrong_no_value_is_repeated(self, name: str) -> None:
        assert self.MARK not in said({name: self.MARK})
        assert self.MARK not in said({"APP_ENV": "production", name: self.MARK})

    @pytest.mark.parametrize("name", [variable.name for variable in Settings.variables() if variable.secret])
    def test_what_is_called_a_secret_is_held_as_one(self, name: str) -> None:
        value = fresh_secret()
        if name.endswith("_URL"):
            value = {"DATABASE_URL": "postgresql", "REDIS_URL": "redis", "NATS_URL": "nats"}[
                name
            ] + f"://:{value}@host"
        more = {"SUPER_ADMIN_EMAIL": "a@b.uz"} if name == "SUPER_ADMIN_PASSWORD" else {}
        assert value not in repr(read({name: value, **more}))

    def test_an_error_names_each_variable_on_a_line_of_its_own(self) -> None:
        with pytest.raises(SettingsError) as caught:
            read(PORT="x", WORKERS="x")
        lines = str(caught.value).splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["WORKERS", "PORT"]
        assert caught.value.code == "SETTINGS_INVALID"


class TestTemplate:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()

    def test_the_template_lists_exactly_the_variables_that_are_read(self) -> None:
        listed = [line.split("=")[0] for line in self.lines if line and not line.startswith("#")]
        assert len(listed) == len(set(listed))
        assert set(listed) == {variable.name for variable in Settings.variables()}

    def test_the_template_holds_no_values(self) -> None:
        assert all(re.fullmatch(r"#.*|[A-Z0-9_]+=|", line) for line in self.lines)

    def test_the_template_names_the_older_spellings_and_the_secrets(self) -> None:
        described = {
            line.rstrip("="): before
            for before, line in zip(self.lines, self.lines[1:], strict=False)
            if line.endswith("=")
        }
        for variable in Settings.variables():
            for alias in variable.aliases:
                assert re.search(rf"\(also: .*\b{alias}\b.*\)", described[variable.name]), alias
            ignored = described[variable.name].startswith("# Ignored")
            secret = re.match(r"# Secrets?\b", described[variable.name]) is not None
            assert secret == (variable.secret and not ignored), variable.name

    def test_the_template_as_it_is_can_be_used_by_a_developer(self) -> None:
        names = [line.rstrip("=") for line in self.lines if line.endswith("=")]
        assert read(dict.fromkeys(names, "")).environment is Environment.DEVELOPMENT


def test_nothing_else_reads_the_environment() -> None:
    allowed = {
        "api/cli",
        "infrastructure/embedded",
    }  # the entry point hands os.environ over; children inherit theirs
    rooms = [ROOT / room for room in ("domain", "application", "infrastructure", "projections", "api")]
    readers = [
        str(path.relative_to(ROOT))
        for room in rooms
        for path in room.rglob("*.py")
        if re.search(
            r"\bos\.(environ|getenv)\b|from os import .*\b(environ|getenv)\b",
            path.read_text(encoding="utf-8"),
        )
    ]
    assert [reader for reader in readers if not reader.startswith(tuple(allowed))] == []
