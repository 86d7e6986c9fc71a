"""Each role by itself, as containers start it: against servers of its own choosing, until it is told to end."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

from infrastructure.bootstrap import Machinery
from infrastructure.embedded.services import ServiceUrls
from infrastructure.roles import ROLES
from infrastructure.settings import Settings
from projections.shared import tracking
from tests.infrastructure.test_rebuilding import submit_requests
from tests.packaging.test_compose import GIVEN
from tests.support.running import ROOT, environment_of

pytestmark = [pytest.mark.services, pytest.mark.slow]

SECONDS_TO_START: Final = 30.0
SECONDS_TO_END: Final = 10.0
OWN_SECRETS: Final = ("JWT_SECRET", "JWT_REFRESH_SECRET", "ENCRYPTION_KEY", "PASSWORD_PEPPER")


class Started:
    """One process of the command line, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def said(self) -> str:
        """Everything that it wrote."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def logged(self) -> list[dict[str, Any]]:
        """What it logged; half a line at the end is not counted."""
        whole = self.said.rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def has_logged(self, event: str, **fields: str) -> bool:
        """Whether an entry of this name has these fields."""
        return any(entry.items() >= {"event": event, **fields}.items() for entry in self.logged)

    async def until_it_logs(self, event: str, **fields: str) -> None:
        """Wait for one entry.

        Raises:
            AssertionError: the process ended, or the entry did not come in time.
        """
        async with _patience(self):
            while not self.has_logged(event, **fields):
                await self.must_be_alive()

    async def must_be_alive(self) -> None:
        """Give it a moment; an AssertionError when it has ended."""
        assert self.process.returncode is None, f"it ended with {self.process.returncode}:\n{self.said}"
        await asyncio.sleep(0.02)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end, and wait no longer than an operator would; the exit status."""
        self.process.send_signal(number)
        try:
            return await asyncio.wait_for(self.process.wait(), SECONDS_TO_END)
        except TimeoutError:
            raise AssertionError(f"it did not end in {SECONDS_TO_END} s:\n{self.said}") from None


@asynccontextmanager
async def _patience(started: Started) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SECONDS_TO_START):
            yield
    except TimeoutError:
        raise AssertionError(f"nothing came in {SECONDS_TO_START} s:\n{started.said}") from None


@asynccontextmanager
async def started(
    environment: Mapping[str, str], folder: Path, *argv: str, program: tuple[str, ...] = ("-m", "api.cli")
) -> AsyncIterator[Started]:
    """A process of the command line; it is killed if it still runs in the end."""
    output = folder / "output.log"
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *program, *argv,
            cwd=ROOT, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Started(process, output)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(environment: Mapping[str, str], folder: Path, *argv: str) -> tuple[int, str]:
    """Run a command that ends by itself; its exit status and output."""
    async with started(environment, folder, *argv) as command, _patience(command):
        return await command.process.wait(), command.said


@pytest.fixture
def configured(urls: ServiceUrls, empty_database_url: str) -> dict[str, str]:
    """Separate servers, named by the environment; the database has nothing in it."""
    return environment_of(urls.as_environment(), empty_database_url, LOG_FORMAT="json")


@pytest.fixture
async def migrated(configured: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same after `daftar migrate`."""
    status, said = await ended(configured, tmp_path, "migrate")
    assert status == 0, said
    return configured


class TestMigrating:
    async def test_a_release_brings_the_schema_up_to_date_and_the_next_start_finds_it_so(
        self, configured: dict[str, str], tmp_path: Path
    ) -> None:
        status, said = await ended(configured, tmp_path, "migrate")
        assert (status, "applied 0001_event_store" in said) == (0, True), said
        status, said = await ended(configured, tmp_path, "migrate")
        assert (status, said) == (0, "The schema is up to date.\n")


class TestTheApi:
    async def test_it_answers_alone_and_finishes_when_it_is_told_to(
        self, migrated: dict[str, str], tmp_path: Path
    ) -> None:
        address = f"http://127.0.0.1:{migrated['PORT']}"
        async with started(migrated, tmp_path, "role", "api") as api:
            async with httpx.AsyncClient(base_url=address, timeout=5) as client:
                health = await _first_answer(client, api)
                assert health.status_code == 200
                assert health.json()["data"]["status"] == "ok"
                in_detail = await client.get("/health/detailed")
                checks = in_detail.json()["data"]["checks"]
                assert in_detail.status_code == 200
                assert checks["database"]["status"] == "healthy"
            assert await api.end() == 0, api.said

    async def test_it_starts_in_production_on_settings_of_its_own(
        self, configured: dict[str, str], tmp_path: Path
    ) -> None:
        ours = {name: configured[name] for name in configured if name not in {"LOG_FORMAT", "BCRYPT_ROUNDS"}}
        ours |= {name: value for name, value in GIVEN.items() if name in OWN_SECRETS}
        ours |= {"APP_ENV": "production", "LISTEN_HOST": "127.0.0.1", "DAFTAR_DATA_DIR": "/nowhere"}
        ours |= {"APP_URL": "https://shop.example.com", "FRONTEND_URL": "https://shop.example.com"}
        del ours["SUPER_ADMIN_EMAIL"], ours["SUPER_ADMIN_PASSWORD"]
        status, said = await ended(ours, tmp_path, "migrate")
        assert status == 0, said
        async with started(ours, tmp_path, "role", "api") as api:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ours['PORT']}", timeout=5) as client:
                assert (await _first_answer(client, api)).status_code == 200
                plain = await client.get("/api/v1/categories")
                safe = await client.get("/api/v1/categories", headers={"X-Forwarded-Proto": "https"})
            assert plain.status_code in {301, 307, 308}
            assert safe.status_code == 200
            assert await api.end() == 0, api.said
        assert not any(ours[name] in api.said for name in OWN_SECRETS)

    async def test_the_check_of_the_image_sees_whether_it_answers(
        self, migrated: dict[str, str], tmp_path: Path
    ) -> None:
        recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
        line = next(line for line in recipe.splitlines() if line.startswith("HEALTHCHECK "))
        python, *check = json.loads(line.split("CMD ", 1)[1])
        assert python == "python"

        async def looks_well() -> bool:
            folder = tmp_path / "check"
            folder.mkdir(exist_ok=True)
            async with started(migrated, folder, program=tuple(check)) as probe, _patience(probe):
                return await probe.process.wait() == 0

        async with started(migrated, tmp_path, "role", "api") as api:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{migrated['PORT']}", timeout=5
            ) as client:
                await _first_answer(client, api)
            assert await looks_well()
            assert await api.end() == 0, api.said
        assert not await looks_well()


class TestBackgroundRoles:
    @pytest.mark.parametrize("role", ROLES)
    async def test_a_role_runs_alone_and_ends_cleanly(
        self, migrated: dict[str, str], tmp_path: Path, role: str
    ) -> None:
        async with started(migrated, tmp_path, "role", role) as process:
            await process.until_it_logs("role_started", role=role)
            assert await process.end() == 0, process.said
            assert process.has_logged("role_stopped", role=role)
        others = ROLES.keys() - {role}
        assert not any(process.has_logged("role_started", role=other) for other in others)
        assert not [entry for entry in process.logged if entry["level"] in {"error", "critical"}]

    async def test_answers_that_were_kept_for_repeats_are_forgotten_by_the_clock(
        self, migrated: dict[str, str], tmp_path: Path
    ) -> None:
        with psycopg.connect(migrated["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(
                """
                INSERT INTO command_answers (scope, key, request_hash, result, position, recorded_at)
                VALUES
                    (gen_random_uuid(), 'of yesterday', '', '', 1, now() - interval '25 hours'),
                    (gen_random_uuid(), 'of today', '', '', 2, now() - interval '23 hours')
                """
            )
            async with started(migrated, tmp_path, "role", "scheduler") as process:
                await process.until_it_logs("old_answers_forgotten")
                assert await process.end() == 0, process.said
            kept = connection.execute("SELECT key FROM command_answers").fetchall()
        assert kept == [("of today",)]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_all_of_them_share_one_process_too(
        self, migrated: dict[str, str], tmp_path: Path, number: signal.Signals
    ) -> None:
        async with started(migrated, tmp_path, "role", ",".join(ROLES)) as process:
            for role in ROLES:
                await process.until_it_logs("role_started", role=role)
            assert await process.end(number) == 0, process.said


class TestRebuilding:
    async def test_a_projector_that_was_killed_leaves_the_rebuild_to_the_next_and_that_does_it_once(
        self, migrated: dict[str, str], tmp_path: Path
    ) -> None:
        # Nobody publishes anything: read models are made from the log alone.
        alone = migrated | {
            "NATS_URL": "nats://127.0.0.1:1",
            "SUPER_ADMIN_EMAIL": "root@example.uz",
            "SUPER_ADMIN_PASSWORD": "correct horse battery staple",
        }
        await submit_requests(Machinery(Settings.from_environment(alone)), ["account_directory"])
        with psycopg.connect(migrated["DATABASE_URL"]) as reader:
            # Somebody reads the old rows for long, so that the new ones cannot take over yet.
            reader.execute("SELECT count(*) FROM account_directory")
            async with started(alone, tmp_path, "role", "projector") as first:
                await first.until_it_logs("rebuild_begun", projection="account_directory")
                await first.end(signal.SIGKILL)
        async with started(alone, tmp_path, "role", "projector") as second:
            await second.until_it_logs("rebuild_finished", projection="account_directory")
            assert await second.end() == 0, second.said
        done = generation_of(migrated, "account_directory")
        assert done > 1
        # The next request is served, and the one that was finished is not begun again before it.
        await submit_requests(Machinery(Settings.from_environment(alone)), ["api_keys"])
        async with started(alone, tmp_path, "role", "projector") as third:
            await third.until_it_logs("rebuild_finished", projection="api_keys")
            assert await third.end() == 0, third.said
        assert generation_of(migrated, "account_directory") == done


class TestRefusals:
    async def test_the_api_does_not_share_its_process(
        self, configured: dict[str, str], tmp_path: Path
    ) -> None:
        status, said = await ended(configured, tmp_path, "role", "api,projector")
        assert status == 78
        assert "process of its own" in said

    async def test_a_role_that_does_not_exist_is_answered_with_those_that_do(
        self, configured: dict[str, str], tmp_path: Path
    ) -> None:
        status, said = await ended(configured, tmp_path, "role", "sealer-of-fates")
        assert status == 2
        assert all(role in said for role in ("api", *ROLES))

    @pytest.mark.parametrize("missing", ["DATABASE_URL", "NATS_URL", "REDIS_URL", "S3_ENDPOINT"])
    async def test_a_role_starts_no_servers(
        self, configured: dict[str, str], tmp_path: Path, missing: str
    ) -> None:
        without = {name: value for name, value in configured.items() if name != missing}
        status, said = await ended(without, tmp_path, "role", "projector")
        assert status == 78
        assert "configure" in said
        assert "Traceback" not in said

    async def test_production_does_not_start_on_secrets_of_tests(
        self, configured: dict[str, str], tmp_path: Path
    ) -> None:
        status, said = await ended(configured | {"APP_ENV": "production"}, tmp_path, "role", "api")
        assert status == 78
        assert "JWT_SECRET" in said
        assert configured["JWT_SECRET"] not in said


def generation_of(environment: Mapping[str, str], name: str) -> int:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        [generation] = [
            each.generation for each in tracking.all_tracked(connection) if each.name == name and each.live
        ]
    return generation


async def _first_answer(client: httpx.AsyncClient, api: Started) -> httpx.Response:
    async with _patience(api):
        while True:
            try:
                return await client.get("/health")
            except httpx.TransportError:
                await api.must_be_alive()
