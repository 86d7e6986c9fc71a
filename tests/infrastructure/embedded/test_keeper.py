import asyncio
import itertools
import os
import signal
import socket
import sys
import threading
import time

import pytest

from infrastructure.embedded import keeper as keeper_module
from infrastructure.embedded.child import Child, Output, Restart
from infrastructure.embedded.errors import GaveUp, NotRunning, StartFailed
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.keeper import run_once
from tests.infrastructure.embedded.conftest import CrewMaker
from tests.infrastructure.embedded.waiting import runs, until

NOTE_AND_WAIT = (
    "trap 'echo {0} ended >> events; exit 0' TERM; echo {0} began >> events; while :; do sleep 0.02; done"
)


def shell(name: str, script: str, **more: object) -> Child:
    return Child(name=name, argv=("/bin/sh", "-c", script), **more)  # type: ignore[arg-type]


def noting(name: str, folder: DataFolder, **more: object) -> Child:
    """A child that notes its begin and its end, healthy once it has noted the begin."""

    before = 0

    async def prepare() -> None:
        nonlocal before
        before = events(folder).count(f"{name} began")

    async def began() -> bool:
        return events(folder).count(f"{name} began") > before

    script = NOTE_AND_WAIT.format(name)
    return shell(name, script, cwd=folder.root, prepare=prepare, health=began, **more)


def events(folder: DataFolder) -> list[str]:
    file = folder.root / "events"
    return file.read_text().splitlines() if file.exists() else []


class TestStarting:
    async def test_children_start_in_order_and_stop_the_other_way_round(self, crew_of: CrewMaker) -> None:
        folder = crew_of.folder
        crew = crew_of(noting("late", folder, order=2), noting("early", folder, order=1))

        await crew.start()
        await crew.stop()

        assert events(folder) == ["early began", "late began", "late ended", "early ended"]

    async def test_a_child_is_ready_when_its_url_answers(self, crew_of: CrewMaker) -> None:
        port = crew_of.folder.ports(["web"])["web"]
        server = (
            "import http.server, sys\n"
            "class H(http.server.BaseHTTPRequestHandler):\n"
            "    asked = 0\n"
            "    def do_GET(self):\n"
            "        H.asked += 1\n"
            "        self.send_response(204 if H.asked > 2 else 503)\n"
            "        self.end_headers()\n"
            "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
        )
        crew = crew_of(
            Child(
                name="web",
                argv=(sys.executable, "-I", "-S", "-c", server, str(port)),
                health=f"http://127.0.0.1:{port}/ready?x=1",
            )
        )

        await crew.start()

        log = crew_of.folder.log_of("web").read_text()
        assert [line.split('"')[2].split()[0] for line in log.splitlines()] == ["503", "503", "204"]

    async def test_a_child_that_ends_before_it_answers_fails_the_start_with_its_last_words(
        self, crew_of: CrewMaker
    ) -> None:
        crew = crew_of(
            shell("steady", "sleep 60"), shell("broken", "echo the disk is on fire >&2; exit 3", health=never)
        )

        with pytest.raises(StartFailed) as failure:
            await crew.start()

        assert str(failure.value).startswith("broken ended before it answered: exit code 3.")
        assert str(failure.value).endswith("broken.log\nthe disk is on fire")
        with pytest.raises(NotRunning):
            _ = crew["steady"].pid

    async def test_words_of_an_earlier_start_are_not_blamed(self, crew_of: CrewMaker) -> None:
        crew_of.folder.log_of("quiet").write_text("old trouble\n")

        with pytest.raises(StartFailed) as failure:
            await crew_of(shell("quiet", "exit 1", health=never)).start()

        assert "old trouble" not in str(failure.value)

    async def test_a_child_that_never_answers_fails_the_start_and_is_ended(self, crew_of: CrewMaker) -> None:
        crew = crew_of(
            shell("deaf", "echo $$ > pid; sleep 60", cwd=crew_of.folder.root, health=never, start_seconds=0.3)
        )

        with pytest.raises(StartFailed, match=r"deaf wasn't ready after 0\.3 s"):
            await crew.start()

        assert not runs(int((crew_of.folder.root / "pid").read_text()))

    async def test_a_probe_that_hangs_does_not_hang_the_start(self, crew_of: CrewMaker) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            with pytest.raises(StartFailed, match="wasn't ready"):
                await crew_of(shell("child", "sleep 60", health=url, start_seconds=0.3)).start()

    async def test_a_program_that_does_not_exist_is_named(self, crew_of: CrewMaker) -> None:
        with pytest.raises(StartFailed, match="/nowhere/server can't be started"):
            await crew_of(Child(name="child", argv=("/nowhere/server",))).start()

    async def test_what_goes_wrong_in_a_preparation_is_told(self, crew_of: CrewMaker) -> None:
        async def prepare() -> None:
            raise OSError("no space left")

        with pytest.raises(StartFailed, match="child can't be started: no space left"):
            await crew_of(shell("child", "sleep 60", prepare=prepare)).start()

    async def test_two_children_cannot_share_a_name(self, crew_of: CrewMaker) -> None:
        with pytest.raises(ValueError, match="'same'"):
            crew_of(shell("same", "true"), shell("same", "true"))

    async def test_a_health_url_that_is_none_is_refused_at_once(self, crew_of: CrewMaker) -> None:
        with pytest.raises(ValueError, match="http://"):
            crew_of(shell("child", "true", health="localhost:80/ready"))

    async def test_output_can_go_where_ours_goes(
        self, crew_of: CrewMaker, capfd: pytest.CaptureFixture[str]
    ) -> None:
        crew = crew_of(shell("child", "echo to the terminal; sleep 60", output=Output.INHERIT))

        await crew.start()

        assert "to the terminal" in capfd.readouterr().out
        assert not crew_of.folder.log_of("child").exists()

    async def test_children_are_not_started_from_a_thread_that_may_end_before_us(
        self, folder: DataFolder
    ) -> None:
        problems: list[BaseException] = []

        def elsewhere() -> None:
            try:
                asyncio.run(run_once(shell("child", "true"), folder))
            except RuntimeError as error:
                problems.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

        assert "main thread" in str(problems[0])

    async def test_a_child_shows_neither_its_environment_nor_its_arguments(self) -> None:
        child = Child(name="child", argv=("x", "--password=s3cr3t"), env={"SECRET": "s3cr3t"})

        assert "s3cr3t" not in f"{child!r} {child.__rich_repr__()}"


class TestCrashes:
    async def test_a_child_that_crashes_is_started_again(self, crew_of: CrewMaker) -> None:
        crew = crew_of(noting("child", crew_of.folder))
        await crew.start()
        first = crew["child"].pid

        await crew["child"].kill()
        await crew["child"].healthy()

        assert crew["child"].pid != first
        assert not runs(first)

    async def test_its_own_children_are_ended_before_it_starts_again(self, crew_of: CrewMaker) -> None:
        crew = crew_of(
            shell(
                "child", "sleep 60 & echo $! >> below; wait", cwd=crew_of.folder.root, restart=Restart.ALWAYS
            )
        )
        below = crew_of.folder.root / "below"
        await crew.start()
        await until(below.exists)

        await crew["child"].kill()

        assert not runs(int(below.read_text().split()[0]))

    async def test_one_that_keeps_crashing_waits_longer_each_time_and_is_given_up(
        self, crew_of: CrewMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper_module, "BACKOFF_SECONDS", 0.05)
        script = "date +%s.%N >> starts; sleep 0.15; echo bad news; exit 4"
        crew = crew_of(shell("child", script, cwd=crew_of.folder.root))
        await crew.start()

        failure = await asyncio.wait_for(crew.failed(), 10)

        assert isinstance(failure, GaveUp)
        assert "child ended too often" in str(failure)
        assert "exit code 4" in str(failure)
        assert str(failure).endswith("bad news")
        moments = [float(line) for line in (crew_of.folder.root / "starts").read_text().splitlines()]
        gaps = [after - before for before, after in itertools.pairwise(moments)]
        assert len(gaps) == 4
        assert gaps[0] >= 0.2
        assert gaps[-1] >= 0.55

    async def test_one_that_never_gets_well_again_is_given_up_however_long_it_tries(
        self, crew_of: CrewMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper_module, "CRASH_WINDOW_SECONDS", 0.0)
        monkeypatch.setattr(keeper_module, "BACKOFF_SECONDS", 0.0)
        well = crew_of.folder.root / "well"
        well.touch()

        async def answers() -> bool:
            return well.exists()

        crew = crew_of(shell("child", "sleep 60", health=answers, start_seconds=0.1))
        await crew.start()
        well.unlink()
        await crew["child"].kill()

        failure = await asyncio.wait_for(crew.failed(), 10)

        assert "wasn't ready" in str(failure)

    async def test_kills_on_purpose_are_not_counted(self, crew_of: CrewMaker) -> None:
        crew = crew_of(noting("child", crew_of.folder))
        await crew.start()

        for _ in range(6):
            await crew["child"].kill()
            await asyncio.wait_for(crew["child"].healthy(), 5)

        assert runs(crew["child"].pid)

    async def test_one_that_must_not_be_started_again_is_the_end_of_all(self, crew_of: CrewMaker) -> None:
        crew = crew_of(shell("child", "sleep 0.2; exit 0", restart=Restart.NEVER))
        await crew.start()

        assert "child ended: exit code 0" in str(await asyncio.wait_for(crew.failed(), 5))

    async def test_one_that_was_given_up_can_be_started_by_hand(
        self, crew_of: CrewMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper_module, "CRASHES_ALLOWED", 1)
        crew = crew_of(noting("child", crew_of.folder))
        await crew.start()
        os.kill(crew["child"].pid, signal.SIGKILL)
        await asyncio.wait_for(crew.failed(), 5)

        await crew["child"].start()

        assert runs(crew["child"].pid)


class TestStopping:
    async def test_a_stopped_child_stays_stopped_until_it_is_started(self, crew_of: CrewMaker) -> None:
        crew = crew_of(noting("child", crew_of.folder))
        await crew.start()

        await crew["child"].stop()
        await asyncio.sleep(0.3)

        with pytest.raises(NotRunning):
            _ = crew["child"].pid
        await crew["child"].start()
        assert events(crew_of.folder) == ["child began", "child ended", "child began"]

    async def test_stopping_twice_is_stopping_once(self, crew_of: CrewMaker) -> None:
        crew = crew_of(noting("child", crew_of.folder))
        await crew.start()

        await crew.stop()
        await crew.stop()

        assert events(crew_of.folder) == ["child began", "child ended"]

    async def test_one_that_does_not_listen_is_killed_after_its_grace_with_all_its_own(
        self, crew_of: CrewMaker
    ) -> None:
        script = "trap '' TERM; sleep 60 & echo $! > below; echo ready; while :; do sleep 0.02; done"
        crew = crew_of(shell("stubborn", script, cwd=crew_of.folder.root, grace_seconds=0.3))
        await crew.start()
        pid = crew["stubborn"].pid

        began = time.monotonic()
        await crew.stop()

        assert 0.3 <= time.monotonic() - began < 2
        assert not runs(pid)
        assert not runs(int((crew_of.folder.root / "below").read_text()))

    async def test_who_is_in_a_hurry_waits_for_no_grace(self, crew_of: CrewMaker) -> None:
        script = "trap '' TERM; while :; do sleep 0.02; done"
        crew = crew_of(shell("stubborn", script, grace_seconds=60.0))
        await crew.start()

        stopping = asyncio.create_task(crew.stop())
        await asyncio.sleep(0.1)
        crew_of.hurry.set()

        await asyncio.wait_for(stopping, 2)

    async def test_a_stop_does_not_wait_for_a_restart(self, crew_of: CrewMaker) -> None:
        well = crew_of.folder.root / "well"
        well.touch()

        async def answers() -> bool:
            return well.exists()

        crew = crew_of(shell("child", "sleep 60", health=answers, start_seconds=60.0))
        await crew.start()
        well.unlink()
        await crew["child"].kill()
        await asyncio.sleep(0.2)

        await asyncio.wait_for(crew.stop(), 2)

        assert crew_of.folder.recorded() == {}


class TestRunningOnce:
    async def test_a_failure_is_told_with_its_words(self, folder: DataFolder) -> None:
        with pytest.raises(StartFailed, match=r"(?s)setup failed: exit code 9\..*no such disk"):
            await run_once(shell("setup", "echo no such disk; exit 9"), folder)

    async def test_one_that_takes_too_long_is_ended(self, folder: DataFolder) -> None:
        with pytest.raises(StartFailed, match="took longer"):
            await run_once(
                shell("setup", "echo $$ > pid; sleep 60", cwd=folder.root, start_seconds=0.3), folder
            )

        assert not runs(int((folder.root / "pid").read_text()))


async def never() -> bool:
    return False
