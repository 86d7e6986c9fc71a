"""The settings of the servers that Daftar stands on: PostgreSQL, Redis, NATS, the object store."""

from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlunsplit

from infrastructure.security.secrets import Secret
from infrastructure.settings.groups import DatabaseSettings, Environment, ObjectStoreSettings
from infrastructure.settings.reading import SECRET_CHARACTERS_MINIMUM, Reading
from infrastructure.settings.values import (
    IDENTIFIER,
    PORT,
    Unreadable,
    host,
    server_url,
    text,
    web_url,
    whole_number,
)


def database(reading: Reading) -> DatabaseSettings:
    """PostgreSQL: its URL wins over the parts; production asks for TLS unless it is on this machine."""
    env = reading.env
    url = env.secret("DATABASE_URL")
    db_host = env.find("DB_HOST", host)
    port = env.find("DB_PORT", PORT)
    name = env.find("DB_NAME", IDENTIFIER)
    user = env.find("DB_USER", IDENTIFIER)
    password = env.secret("DB_PASSWORD")
    modes = r"disable|allow|prefer|require|verify-ca|verify-full"
    ssl_mode = env.find("DB_SSLMODE", text(11, like=modes, what=f"one of {modes.replace('|', ', ')}"))
    if url is not None:
        url = _database_url(reading, url, ssl_mode)
    elif any(part is not None for part in (db_host, port, name, user, password)):
        reading.require_own("DB_PASSWORD", password)
        url = Secret(
            f"postgresql://{quote(user or 'postgres', safe='')}{_password_part(password)}@"
            f"{_host_part(db_host or 'localhost')}:{port or 5432}/{quote(name or 'commerce', safe='')}"
        )
        url = _database_url(reading, url, ssl_mode, made_of_parts=True)
    elif reading.in_production:
        env.refuse("DATABASE_URL", "is missing, and so is DB_PASSWORD: production needs one of them")
    pool_min = env.read("DB_POOL_MIN", whole_number(0, 1000), 2)
    pool_max = env.read("DB_POOL_MAX", whole_number(1, 1000), 20)
    if pool_min > pool_max:
        env.refuse("DB_POOL_MIN", "must not be greater than DB_POOL_MAX")
    return DatabaseSettings(
        url=url,
        pool_min=pool_min,
        pool_max=pool_max,
        statement_seconds=env.read("DB_STATEMENT_SECONDS", whole_number(1, 600), 30),
    )


def redis_url(reading: Reading) -> Secret | None:
    """Redis: its URL wins over the parts."""
    env = reading.env
    url = env.secret("REDIS_URL")
    redis_host = env.find("REDIS_HOST", host)
    port = env.find("REDIS_PORT", PORT)
    password = reading.optional_own_secret("REDIS_PASSWORD")
    number = env.find("REDIS_DB", whole_number(0, 15))
    if url is not None:
        try:
            parts = server_url(url, "redis", "rediss", "unix")
        except Unreadable as unreadable:
            env.refuse("REDIS_URL", str(unreadable))
        else:
            if reading.in_production:
                _judge_password_in(reading, "REDIS_URL", parts)
    elif any(part is not None for part in (redis_host, port, password, number)):
        user = "" if password is None else f"{_password_part(password)}@"
        url = Secret(f"redis://{user}{_host_part(redis_host or 'localhost')}:{port or 6379}/{number or 0}")
        if reading.in_production and password is None:
            env.warn("REDIS_PASSWORD", "is not set: whoever reaches Redis can read and write it")
    elif reading.in_production:
        env.refuse("REDIS_URL", "is missing, and so is REDIS_HOST: production needs one of them")
    return url


def catalogue_cache_seconds(reading: Reading) -> int:
    """How long answers about the catalogue are kept; tests see what they did, unless they ask for the cache."""
    usual = 0 if reading.environment is Environment.TEST else 60
    return reading.env.read("CATALOGUE_CACHE_SECONDS", whole_number(0, 86_400), usual)


def nats_prefix(reading: Reading) -> str:
    """What the names of streams and subjects begin with."""
    word = text(32, like=r"[a-z][a-z0-9_]*", what="a word of lower-case letters, digits and underscores")
    return reading.env.read("NATS_PREFIX", word, "daftar")


def message_deliveries(reading: Reading) -> int:
    """How often a workflow tries a message before it is parked."""
    return reading.env.read("WORKFLOW_MAX_DELIVERIES", whole_number(1, 100), 5)


def nats_url(reading: Reading) -> Secret | None:
    """NATS: one URL, or those of a cluster."""
    env = reading.env
    url = env.secret("NATS_URL")
    if url is None:
        if reading.in_production:
            env.refuse("NATS_URL", "is missing")
        return None
    for each in url.reveal().split(","):
        try:
            parts = server_url(Secret(each.strip()), "nats", "tls", "ws", "wss")
        except Unreadable as unreadable:
            env.refuse("NATS_URL", str(unreadable))
            break
        if reading.in_production:
            _judge_sign_in(reading, parts)
    return url


def object_store(reading: Reading) -> ObjectStoreSettings:
    """The store of media; without an endpoint the embedded one, in production AWS."""
    env = reading.env
    endpoint = env.find("S3_ENDPOINT", web_url)
    public_endpoint = env.find("S3_PUBLIC_ENDPOINT", web_url)
    access_key = env.find("S3_ACCESS_KEY", IDENTIFIER, "AWS_ACCESS_KEY_ID")
    secret_key = env.secret("S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY")
    region_form = text(40, like=r"[a-z0-9-]+", what="a region such as us-east-1")
    region = env.read("S3_REGION", region_form, "us-east-1", "AWS_REGION")
    bucket_form = text(
        63, like=r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", what="a bucket name such as commerce-media"
    )
    bucket = env.read("S3_BUCKET", bucket_form, "commerce-media", "AWS_S3_BUCKET")
    if reading.in_production or endpoint is not None:
        if access_key is None:
            env.refuse("S3_ACCESS_KEY", "is missing")
        if secret_key is None:
            env.refuse("S3_SECRET_KEY", "is missing")
        else:
            reading.refuse_well_known("S3_SECRET_KEY", secret_key)
        endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
    elif access_key is not None or secret_key is not None:
        # A developer's own AWS keys are often in the shell; the demo must not fill their buckets.
        env.warn("S3_ENDPOINT", "is not set, so the S3 keys are ignored and the embedded store is used")
        access_key = secret_key = None
    for name in ("CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET"):
        reason = "is ignored: media are kept in an S3 store"
        env.ignored(name, reason, secret=name != "CLOUDINARY_CLOUD_NAME")
    return ObjectStoreSettings(
        endpoint=endpoint,
        public_endpoint=public_endpoint or endpoint,
        access_key=access_key,
        secret_key=secret_key,
        region=region,
        bucket=bucket,
    )


def _database_url(
    reading: Reading, url: Secret, ssl_mode: str | None, *, made_of_parts: bool = False
) -> Secret:
    try:
        parts = server_url(url, "postgresql", "postgres")
    except Unreadable as unreadable:
        reading.env.refuse("DATABASE_URL", str(unreadable))
        return url
    if reading.in_production and not made_of_parts:
        _judge_password_in(reading, "DATABASE_URL", parts)
    query = parse_qsl(parts.query, keep_blank_values=True)
    chosen = dict(query).get("sslmode") or ssl_mode
    local = parts.hostname in (None, "localhost", "127.0.0.1", "::1") or "%2f" in (parts.hostname or "")
    if reading.in_production and not local:
        chosen = chosen or "require"
        if chosen in {"disable", "allow", "prefer"}:
            reading.env.warn("DATABASE_URL", f"allows a connection without TLS (sslmode={chosen})")
    if chosen is None or "sslmode" in dict(query):
        return url
    return Secret(urlunsplit(parts._replace(query=urlencode([*query, ("sslmode", chosen)], quote_via=quote))))


def _judge_password_in(reading: Reading, name: str, parts: SplitResult) -> None:
    """Passwords of managed servers are given to us, so a short one is only warned about."""
    if not parts.password:
        reading.env.warn(name, "holds no password")
        return
    password = Secret(unquote(parts.password))
    reading.refuse_well_known(name, password)
    if len(password.reveal()) < SECRET_CHARACTERS_MINIMUM:
        reading.env.warn(name, f"holds a password of less than {SECRET_CHARACTERS_MINIMUM} characters")


def _judge_sign_in(reading: Reading, server: SplitResult) -> None:
    """How we sign in to NATS, which takes a token in the place of a user: `nats://token@host`."""
    credential = server.password or server.username
    if credential is None:
        reading.env.warn("NATS_URL", "holds no credentials: whoever reaches NATS can read the events")
    else:
        reading.refuse_well_known("NATS_URL", Secret(unquote(credential)))


def _password_part(password: Secret | None) -> str:
    return "" if password is None else f":{quote(password.reveal(), safe='')}"


def _host_part(name: str) -> str:
    if name.startswith("/"):
        return quote(name, safe="")
    return f"[{name}]" if ":" in name else name
