"""The real servers, started once for the whole module."""

import asyncio
import os
import pwd
import smtplib
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import psycopg
import pytest
import redis.asyncio
import urllib3
from minio.error import S3Error

from infrastructure.embedded import processes
from infrastructure.embedded.errors import AlreadyRunning, NotRunning
from infrastructure.embedded.services import ALL
from infrastructure.embedded.supervisor import EmbeddedServices, find_running
from tests.infrastructure.embedded.programs import found_everywhere, minio, put_everywhere

pytestmark = pytest.mark.services


class Running:
    def __init__(self, services: EmbeddedServices, *, seconds: float) -> None:
        self.services = services
        self.urls = services.urls
        self.seconds = seconds
        self.root = services.folder.root


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Running]:
    with tempfile.TemporaryDirectory(prefix="daftar-") as parent:
        began = time.monotonic()
        # A path that is too long for a socket, with characters that mean something to shells and file formats.
        folder = Path(parent) / ("deep folder " * 8).strip() / 'it\'s "our" data, ünïcode $HOME'
        async with EmbeddedServices(folder) as services:
            yield Running(services, seconds=time.monotonic() - began)


def send(urls_port: int | None, *recipients: str, message_id: str = "<one@shop.example>") -> None:
    message = EmailMessage()
    message["From"], message["To"] = "shop@example.com", "ann@example.com"
    message["Subject"], message["Message-ID"] = "Your order", message_id
    message.set_content("It is on its way.")
    assert urls_port is not None
    with smtplib.SMTP("127.0.0.1", urls_port, timeout=5) as server:
        server.send_message(message, to_addrs=list(recipients))


async def answer_of_nats(url: str) -> bytes:
    """What the server says to a caller without a token."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b"CONNECT {}\r\nPING\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


def owner(path: Path) -> int:
    return path.stat().st_uid


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def listening_sockets() -> list[tuple[str, int]]:
    """Address, as the kernel writes it, and port of everything that listens here."""
    lines = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return [
        (address, int(port, 16))
        for fields in lines
        if fields[3] == "0A"
        for address, port in [fields[1].split(":")]
    ]


class TestAFreshStart:
    async def test_everything_answers_within_fifteen_seconds(self, running: Running) -> None:
        assert running.seconds < 15

        await put_everywhere(running.urls, "treasure")

        assert await found_everywhere(running.urls) == dict.fromkeys(
            ("postgres", "nats", "redis", "s3"), "treasure"
        )

    async def test_a_sent_mail_is_a_file(self, running: Running) -> None:
        assert running.urls.mail_folder is not None

        send(running.urls.smtp_port, "ann@example.com", "hidden@example.com")

        mail = max(running.urls.mail_folder.glob("*.eml")).read_text()
        assert "Delivered-To: hidden@example.com" in mail
        assert "It is on its way." in mail

    async def test_a_mail_that_is_sent_twice_is_two_files_in_order(self, running: Running) -> None:
        assert running.urls.mail_folder is not None
        before = set(running.urls.mail_folder.iterdir())

        for recipient in ("first@example.com", "second@example.com"):
            send(running.urls.smtp_port, recipient, message_id="<same@shop.example>")

        after = sorted(set(running.urls.mail_folder.iterdir()) - before)
        assert ["first@" in after[0].read_text(), "second@" in after[1].read_text(), len(after)] == [
            True,
            True,
            2,
        ]

    @pytest.mark.parametrize("address", ["bounce@example.com", "Bounce-me@example.com"])
    async def test_a_mail_to_bounce_is_refused_and_not_kept(self, running: Running, address: str) -> None:
        assert running.urls.mail_folder is not None
        before = set(running.urls.mail_folder.iterdir())

        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            send(running.urls.smtp_port, address)

        assert refusal.value.recipients[address][0] == 550
        assert set(running.urls.mail_folder.iterdir()) == before

    async def test_postgres_keeps_its_promises(self, running: Running) -> None:
        assert running.urls.database_url is not None
        async with await psycopg.AsyncConnection.connect(running.urls.database_url) as connection:
            cursor = await connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                (
                    [
                        "fsync",
                        "full_page_writes",
                        "synchronous_commit",
                        "max_connections",
                        "unix_socket_directories",
                    ],
                ),
            )
            assert dict(await cursor.fetchall()) == {
                "fsync": "on",
                "full_page_writes": "on",
                "synchronous_commit": "on",
                "max_connections": "200",
                "unix_socket_directories": "",
            }


class TestPrivacy:
    async def test_the_application_is_no_superuser_of_postgres(self, running: Running) -> None:
        assert running.urls.database_url is not None
        async with await psycopg.AsyncConnection.connect(
            running.urls.database_url, autocommit=True
        ) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")

    async def test_the_application_may_make_databases(self, running: Running) -> None:
        assert running.urls.database_url is not None
        async with await psycopg.AsyncConnection.connect(
            running.urls.database_url, autocommit=True
        ) as connection:
            await connection.execute("CREATE DATABASE another")
            await connection.execute("DROP DATABASE another")

    async def test_no_server_lets_in_who_has_no_password(self, running: Running) -> None:
        urls = running.urls
        assert urls.database_url is not None
        assert urls.nats_url is not None
        assert urls.redis_url is not None
        with pytest.raises(psycopg.OperationalError, match="password"):
            await psycopg.AsyncConnection.connect(urls.database_url, password="wrong")
        assert b"Authorization Violation" in await answer_of_nats(urls.nats_url)
        async with redis.asyncio.from_url("redis://" + urls.redis_url.split("@")[1]) as cache:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await cache.get("kept")
        with urllib3.PoolManager() as pool, pytest.raises(S3Error, match="AccessDenied"):
            minio(urls, pool, secret_key="wrong").bucket_exists("commerce-media")

    async def test_they_listen_on_this_machine_only(self, running: Running) -> None:
        mine = set(running.services.folder.known_ports().values())
        listening = listening_sockets()
        assert mine <= {port for _, port in listening}
        assert {address for address, port in listening if port in mine} == {"0100007F"}

    async def test_no_secret_is_in_a_log_an_argument_or_a_representation(self, running: Running) -> None:
        known = running.services.folder.known_secrets()
        assert known is not None
        # The access key is a name that goes with a secret, and SeaweedFS does log it.
        secrets = [getattr(known, name) for name in known.__struct_fields__ if name != "s3_access_key"]
        seen = [path.read_text(errors="replace") for path in (running.root / "logs").iterdir()]
        seen += [processes.command_line(running.services.pid_of(name)) for name in ALL]
        seen += [repr(running.urls), repr(running.services.secrets)]

        assert not [secret for secret in secrets if any(secret in text for text in seen)]

    async def test_what_they_write_is_closed_to_others(self, running: Running) -> None:
        folders = {path.name: mode(path) for path in running.root.iterdir()}

        assert folders == dict.fromkeys(("run", "logs", "pg18", "nats", "valkey", "s3", "mail"), 0o700)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives Postgres to another account")
    async def test_root_runs_postgres_as_nobody_and_opens_no_folder_for_it(self, running: Running) -> None:
        nobody = pwd.getpwnam("nobody").pw_uid

        assert owner(Path(f"/proc/{running.services.pid_of('postgres')}")) == nobody
        assert owner(running.root / "pg18") == nobody
        parents = [running.root, *running.root.parents]
        ours = parents[: parents.index(Path(tempfile.gettempdir()))]
        assert {owner(path) for path in ours} == {0}
        assert (mode(ours[0]), mode(ours[-1])) == (0o700, 0o700)


class TestOutages:
    @pytest.mark.parametrize("name", sorted(ALL))
    async def test_a_killed_server_is_started_again(self, running: Running, name: str) -> None:
        first = running.services.pid_of(name)

        await running.services.kill_service(name)
        await running.services.until_ready(name)

        assert running.services.pid_of(name) != first

    async def test_after_all_kills_everything_is_still_there(self, running: Running) -> None:
        assert set((await found_everywhere(running.urls)).values()) == {"treasure"}

    async def test_a_stopped_server_stays_away_until_it_is_started(self, running: Running) -> None:
        assert running.urls.smtp_port is not None

        await running.services.stop_service("smtp")

        with pytest.raises(NotRunning):
            running.services.pid_of("smtp")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", running.urls.smtp_port))
        await running.services.start_service("smtp")
        send(running.urls.smtp_port, "ann@example.com")

    async def test_there_are_no_other_servers(self, running: Running, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no embedded server named kafka"):
            await running.services.stop_service("kafka")
        with pytest.raises(ValueError, match="no embedded server named kafka"):
            EmbeddedServices(tmp_path, frozenset(("kafka", "nats")))


class TestCompany:
    async def test_a_second_supervisor_on_the_folder_is_refused(self, running: Running) -> None:
        began = time.monotonic()

        with pytest.raises(AlreadyRunning, match="already in use"):
            await EmbeddedServices(running.root).__aenter__()

        assert time.monotonic() - began < 2
        assert running.services.pid_of("postgres")

    async def test_a_tool_finds_the_servers_of_another_process(self, running: Running) -> None:
        assert find_running(running.root) == (running.urls, running.services.secrets)

    async def test_a_tool_finds_none_where_none_run(self, tmp_path: Path) -> None:
        assert find_running(tmp_path) is None

    async def test_settings_name_what_the_application_reads(self, running: Running) -> None:
        assert set(running.urls.as_environment()) == {
            "DATABASE_URL",
            "NATS_URL",
            "REDIS_URL",
            "S3_ENDPOINT",
            "S3_ACCESS_KEY",
            "S3_SECRET_KEY",
            "S3_BUCKET",
            "S3_REGION",
            "SMTP_HOST",
            "SMTP_PORT",
        }
        assert set(running.services.secrets.as_environment()) == {
            "JWT_SECRET",
            "JWT_REFRESH_SECRET",
            "ENCRYPTION_KEY",
            "PASSWORD_PEPPER",
        }
