"""The five embedded servers by name: their ports, their descriptions, and the addresses that they give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from infrastructure.embedded import mail, nats, postgres, s3, valkey
from infrastructure.embedded.child import Child
from infrastructure.embedded.folder import DataFolder, Secrets

ALL = frozenset(("postgres", "nats", "redis", "s3", "smtp"))

PORTS: dict[str, tuple[str, ...]] = {
    "postgres": ("postgres",),
    "nats": ("nats", "nats-monitor"),
    "redis": ("redis",),
    "s3": tuple(s3.PORTS),
    "smtp": ("smtp",),
}
"""The names of the ports of each server."""


class ServiceUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where the embedded servers answer, passwords included; None for those that weren't wanted.

    Its representation shows which are there, not their passwords.
    """

    database_url: str | None = None
    nats_url: str | None = None
    redis_url: str | None = None
    s3_endpoint: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: str | None = None
    s3_bucket: str | None = None
    smtp_host: str | None = None
    smtp_port: int | None = None
    mail_folder: Path | None = None
    """Where the mail sink keeps what it took, one `.eml` file a message, in order of arrival by name."""

    def as_environment(self) -> dict[str, str]:
        """The settings that make the application use these servers."""
        settings = {
            "DATABASE_URL": self.database_url,
            "NATS_URL": self.nats_url,
            "REDIS_URL": self.redis_url,
            "S3_ENDPOINT": self.s3_endpoint,
            "S3_ACCESS_KEY": self.s3_access_key,
            "S3_SECRET_KEY": self.s3_secret_key,
            "S3_BUCKET": self.s3_bucket,
            "S3_REGION": None if self.s3_endpoint is None else s3.REGION,
            "SMTP_HOST": self.smtp_host,
            "SMTP_PORT": None if self.smtp_port is None else str(self.smtp_port),
        }
        return {name: value for name, value in settings.items() if value is not None}

    def __repr__(self) -> str:
        return f"ServiceUrls({', '.join(f'{name}=***' for name, _ in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, "***") for name in self.__struct_fields__ if getattr(self, name) is not None]


class DevelopmentSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets for an installation that configures none; they stay the same as long as the data folder exists.

    Its representation shows none of them.
    """

    jwt_secret: str
    jwt_refresh_secret: str
    encryption_key: str
    """64 hexadecimal digits: a key for AES-256."""

    password_pepper: str

    def as_environment(self) -> dict[str, str]:
        """The settings that carry them."""
        return {name.upper(): getattr(self, name) for name in self.__struct_fields__}

    def __repr__(self) -> str:
        return "DevelopmentSecrets(***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


def checked(wanted: frozenset[str]) -> frozenset[str]:
    """The same names, if there is a server for each.

    Raises:
        ValueError: some name isn't one of ours.
    """
    unknown = wanted - ALL
    if unknown:
        raise ValueError(
            f"There is no embedded server named {', '.join(sorted(unknown))}; there are {', '.join(sorted(ALL))}."
        )
    return wanted


def port_names(wanted: frozenset[str]) -> list[str]:
    """The names of all ports that some servers need."""
    return [port for service in sorted(wanted) for port in PORTS[service]]


def children(
    wanted: frozenset[str], folder: DataFolder, ports: dict[str, int], secrets: Secrets
) -> list[Child]:
    """The descriptions of some servers.

    Raises:
        NotInstalled: the `embedded` extra is missing.
        RightsMissing: PostgreSQL is wanted by a root that can't become another account.
    """
    describe: dict[str, Callable[[], Child]] = {
        "postgres": lambda: postgres.child(folder, port=ports["postgres"], passwords=secrets),
        "nats": lambda: nats.child(
            folder, port=ports["nats"], monitor_port=ports["nats-monitor"], passwords=secrets
        ),
        "redis": lambda: valkey.child(folder, port=ports["redis"], passwords=secrets),
        "s3": lambda: s3.child(folder, ports=ports, passwords=secrets),
        "smtp": lambda: mail.child(folder, port=ports["smtp"]),
    }
    return [describe[name]() for name in sorted(wanted)]


def urls(wanted: frozenset[str], folder: DataFolder, ports: dict[str, int], secrets: Secrets) -> ServiceUrls:
    """Where some servers answer."""
    return ServiceUrls(
        database_url=postgres.url(port=ports["postgres"], passwords=secrets)
        if "postgres" in wanted
        else None,
        nats_url=nats.url(port=ports["nats"], passwords=secrets) if "nats" in wanted else None,
        redis_url=valkey.url(port=ports["redis"], passwords=secrets) if "redis" in wanted else None,
        s3_endpoint=s3.endpoint(ports=ports) if "s3" in wanted else None,
        s3_access_key=secrets.s3_access_key if "s3" in wanted else None,
        s3_secret_key=secrets.s3_secret_key if "s3" in wanted else None,
        s3_bucket=s3.BUCKET if "s3" in wanted else None,
        smtp_host="127.0.0.1" if "smtp" in wanted else None,
        smtp_port=ports["smtp"] if "smtp" in wanted else None,
        mail_folder=mail.mail_folder(folder) if "smtp" in wanted else None,
    )


def development_secrets(secrets: Secrets) -> DevelopmentSecrets:
    """The part of a folder's secrets that is for the application."""
    return DevelopmentSecrets(
        jwt_secret=secrets.jwt_secret,
        jwt_refresh_secret=secrets.jwt_refresh_secret,
        encryption_key=secrets.encryption_key,
        password_pepper=secrets.password_pepper,
    )
