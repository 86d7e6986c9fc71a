"""Whole supervisors, started as programs, asked to stop, and killed."""

import asyncio
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.embedded.child import Child, Restart
from infrastructure.embedded.errors import GaveUp, StartFailed
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.services import ALL, DevelopmentSecrets, ServiceUrls
from infrastructure.embedded.supervisor import EmbeddedServices, Supervisor, find_running
from tests.infrastructure.embedded.programs import ROOT, Program, found_everywhere, put_everywhere
from tests.infrastructure.embedded.waiting import processes_that_mention, runs, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
NOTHING: frozenset[str] = frozenset()


def role_notes(data_dir: Path) -> list[str]:
    return (data_dir / "role.txt").read_text().splitlines()


def found(data_dir: Path) -> tuple[ServiceUrls, DevelopmentSecrets]:
    result = find_running(data_dir)
    assert result is not None
    return result


async def nothing(urls: ServiceUrls) -> None:
    """A migration that finds everything in place."""


@pytest.mark.services
class TestTheWholeLife:
    async def test_a_kill_leaves_no_orphan_and_the_next_start_finds_everything(self, data_dir: Path) -> None:
        with Program(data_dir, sorted(ALL)) as first:
            await first.until_it_says("ready")
            urls, secrets = found(data_dir)
            await put_everywhere(urls, "treasure")
            children = DataFolder(data_dir).recorded()
            assert set(children) == {*ALL, "role"}
            first.send(signal.SIGKILL)
            await first.ended()
            await until(lambda: not any(child.alive() for child in children.values()), seconds=3)
            await until(lambda: not processes_that_mention(str(data_dir)), seconds=3)

        # Somebody else has taken the port of Redis in the meantime.
        assert urls.redis_url is not None
        with (
            socket.create_server(("127.0.0.1", int(re.findall(r":(\d+)/", urls.redis_url)[0]))),
            Program(data_dir, sorted(ALL)) as second,
        ):
            await second.until_it_says("ready", seconds=15)
            again, secrets_again = found(data_dir)
            assert await found_everywhere(again) == dict.fromkeys(
                ("postgres", "nats", "redis", "s3"), "treasure"
            )
            assert again.redis_url != urls.redis_url
            assert (again.database_url, again.nats_url, again.s3_endpoint) == (
                urls.database_url,
                urls.nats_url,
                urls.s3_endpoint,
            )
            assert secrets_again == secrets

            second.send(signal.SIGTERM)
            code, output, errors = await second.ended()

        assert (code, errors) == (0, "")
        stopped = re.findall(r"child_stopped .*name=(\w+)", output)
        assert stopped[0] == "role"
        assert set(stopped) == {*ALL, "role"}
        assert "exit code 0" in next(line for line in output.splitlines() if "name=postgres" in line)
        assert role_notes(data_dir) == ["began", "began", "ended"]
        assert processes_that_mention(str(data_dir)) == []
        ports = DataFolder(data_dir).known_ports().values()
        assert not [
            name for name in os.listdir("/tmp") if any(f"-grpc-{port}.sock" in name for port in ports)
        ]

    async def test_an_immediate_restart_after_a_kill_does_not_wait_for_anyone(self, data_dir: Path) -> None:
        some = ("postgres",)
        with Program(data_dir, some) as first:
            await first.until_it_says("ready")
            first.send(signal.SIGKILL)
            with Program(data_dir, some) as second:
                await second.until_it_says("ready", seconds=10)
                second.send(signal.SIGINT)
                assert (await second.ended())[0] == 0

    async def test_a_killed_initdb_leaves_nothing_half_made(self, data_dir: Path) -> None:
        folder = DataFolder(data_dir)
        with Program(data_dir, ["postgres"]) as program:
            await until(lambda: "postgres-initdb" in folder.recorded())
            await until(lambda: any((data_dir / "pg18.new").glob("*")))
            os.kill(folder.recorded()["postgres-initdb"].pid, signal.SIGKILL)
            code, _, errors = await program.ended()
        assert code == 1
        assert "START_FAILED: postgres-initdb failed: killed by SIGKILL." in errors
        assert not (data_dir / "pg18").exists()
        assert not (data_dir / "pg18.new").exists()

        with Program(data_dir, ["postgres"]) as program:
            await until(lambda: "postgres-initdb" in folder.recorded())
            await until(lambda: any((data_dir / "pg18.new").glob("*")))
            program.send(signal.SIGKILL)
            await program.ended()
            await until(lambda: not processes_that_mention(str(data_dir)), seconds=3)
        assert not (data_dir / "pg18").exists()

        async with EmbeddedServices(data_dir, frozenset(("postgres",))):
            assert not (data_dir / "pg18.new").exists()
            assert not (data_dir / "run" / "initdb-password").exists()

    @as_root
    async def test_an_ordinary_user_can_run_it_too(self, ordinary: "Ordinary") -> None:
        with Program(
            ordinary.data_dir, sorted(ALL), python=ordinary.python, env=ordinary.env, account=ordinary.account
        ) as program:
            await program.until_it_says("ready")
            urls, _ = found(ordinary.data_dir)
            await put_everywhere(urls, "mine")
            assert set((await found_everywhere(urls)).values()) == {"mine"}
            program.send(signal.SIGTERM)
            code, _, errors = await program.ended()

        assert (code, errors) == (0, "")
        owners = {path.stat().st_uid for path in (ordinary.data_dir, *ordinary.data_dir.rglob("*"))}
        assert owners == {ordinary.account[0]}

    @as_root
    async def test_a_folder_of_an_ordinary_user_can_be_taken_over_by_root_but_not_back(
        self, ordinary: "Ordinary"
    ) -> None:
        async def run() -> tuple[int, str, str]:
            with Program(
                ordinary.data_dir,
                ["postgres"],
                python=ordinary.python,
                env=ordinary.env,
                account=ordinary.account,
            ) as program:
                if not (ordinary.data_dir / "pg18").exists():
                    await program.until_it_says("ready")
                    program.send(signal.SIGTERM)
                return await program.ended()

        assert (await run())[0] == 0
        data = ordinary.data_dir / "pg18"
        for path in (data, *data.rglob("*")):
            os.chown(path, 1, 1)
        async with EmbeddedServices(ordinary.data_dir, frozenset(("postgres",))):
            assert data.stat().st_uid == pwd.getpwnam("nobody").pw_uid
        for path in (data, *data.rglob("*")):
            os.chown(path, 1, 1)

        code, _, errors = await run()

        assert code == 1
        assert "belongs to another account" in errors


class Ordinary:
    """What it takes to run Python as an account that isn't root."""

    def __init__(self, data_dir: Path, python: str, env: dict[str, str], account: tuple[int, int]) -> None:
        self.data_dir = data_dir
        self.python = python
        self.env = env
        self.account = account


@pytest.fixture
def ordinary() -> Iterator[Ordinary]:
    entry = pwd.getpwnam("nobody")
    account = (entry.pw_uid, entry.pw_gid)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages")),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # The interpreter of the tests may lie where only root may enter; another one of the same version will do.
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            asked = subprocess.run(
                (python, "-c", "import infrastructure, psycopg, minio"),
                cwd=ROOT,
                env=env,
                user=account[0],
                group=account[1],
                extra_groups=(),
                capture_output=True,
                timeout=20,
                check=False,
            )
        except OSError:
            continue
        if asked.returncode == 0:
            break
    else:
        pytest.skip("no Python here that an ordinary user may run")
    parent = Path(tempfile.mkdtemp(prefix="daftar-"))
    os.chown(parent, *account)
    yield Ordinary(parent / "data", python, env, account)
    shutil.rmtree(parent)


class TestRoles:
    """Supervisors without embedded servers: everything is configured elsewhere."""

    async def test_a_terminal_that_closes_stops_everything_in_order(self, data_dir: Path) -> None:
        with Program(data_dir, []) as program:
            await program.until_it_says("ready")
            program.send(signal.SIGHUP)
            code, _, errors = await program.ended()

        assert (code, errors) == (0, "")
        assert program.said.index("migrating") < program.said.index("ready")
        assert role_notes(data_dir) == ["began", "ended"]

    async def test_roles_do_not_start_when_the_migration_fails(self, data_dir: Path) -> None:
        async def migrate(urls: ServiceUrls) -> None:
            raise ValueError("column is missing")

        with pytest.raises(ValueError, match="column is missing"):
            await Supervisor(data_dir, NOTHING).run(
                migrate=migrate, children=lambda urls: pytest.fail("started")
            )

        assert not DataFolder(data_dir).in_use()

    async def test_secrets_are_known_when_children_are_described(self, data_dir: Path) -> None:
        supervisor = Supervisor(data_dir, NOTHING)
        seen: list[DevelopmentSecrets] = []

        def children(urls: ServiceUrls) -> list[Child]:
            seen.append(supervisor.secrets)
            return []

        await supervisor.run(
            migrate=nothing, children=children, ready=lambda: os.kill(os.getpid(), signal.SIGTERM)
        )

        assert len(seen[0].encryption_key) == 64

    async def test_a_signal_interrupts_a_migration(self, data_dir: Path) -> None:
        ended: list[str] = []

        async def migrate(urls: ServiceUrls) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("rolled back")

        await asyncio.wait_for(
            Supervisor(data_dir, NOTHING).run(migrate=migrate, children=lambda urls: []), 5
        )

        assert ended == ["rolled back"]

    async def test_a_role_that_cannot_start_stops_the_others(self, data_dir: Path) -> None:
        def children(urls: ServiceUrls) -> list[Child]:
            return [
                Child(name="good", argv=("/bin/sh", "-c", f"echo $$ > '{data_dir}/good'; sleep 60"), order=1),
                Child(name="bad", argv=("/bin/sh", "-c", "echo no config; exit 1"), order=2),
            ]

        with pytest.raises(StartFailed, match=r"(?s)bad ended before it answered.*no config"):
            await Supervisor(data_dir, NOTHING).run(migrate=nothing, children=children)

        assert not runs(int((data_dir / "good").read_text()))

    async def test_a_role_that_is_given_up_stops_everything(self, data_dir: Path) -> None:
        def children(urls: ServiceUrls) -> list[Child]:
            return [
                Child(name="good", argv=("/bin/sh", "-c", f"echo $$ > '{data_dir}/good'; sleep 60")),
                Child(name="bad", argv=("/bin/sh", "-c", "sleep 0.2; exit 5"), restart=Restart.NEVER),
            ]

        with pytest.raises(GaveUp, match="bad ended: exit code 5"):
            await Supervisor(data_dir, NOTHING).run(migrate=nothing, children=children)

        assert not runs(int((data_dir / "good").read_text()))

    async def test_asking_twice_kills_what_has_not_ended(self, data_dir: Path) -> None:
        def children(urls: ServiceUrls) -> list[Child]:
            script = "trap '' TERM; while :; do sleep 0.02; done"
            return [Child(name="stubborn", argv=("/bin/sh", "-c", script), grace_seconds=60.0)]

        def ready() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGINT)

        await asyncio.wait_for(
            Supervisor(data_dir, NOTHING).run(migrate=nothing, children=children, ready=ready), 5
        )

    async def test_who_cancels_it_gets_everything_stopped(self, data_dir: Path) -> None:
        ready = asyncio.Event()

        def children(urls: ServiceUrls) -> list[Child]:
            return [Child(name="role", argv=("/bin/sh", "-c", f"echo $$ > '{data_dir}/pid'; sleep 60"))]

        run = asyncio.create_task(
            Supervisor(data_dir, NOTHING).run(migrate=nothing, children=children, ready=ready.set)
        )
        await ready.wait()
        run.cancel()

        with pytest.raises(asyncio.CancelledError):
            await run

        assert not runs(int((data_dir / "pid").read_text()))
        assert not DataFolder(data_dir).in_use()
