import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import msgspec
import pytest

from infrastructure.embedded import folder as folder_module
from infrastructure.embedded.errors import AlreadyRunning, FolderUnusable
from infrastructure.embedded.folder import DataFolder
from tests.infrastructure.embedded.waiting import runs

SLEEP = ("/bin/sleep", "60")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def started(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """A process that is a session of its own, as all children are."""
    return subprocess.Popen(command, start_new_session=True)


def left_behind(folder: DataFolder, name: str, command: tuple[str, ...]) -> int:
    """A child of a supervisor that was killed."""
    process = started(command)
    folder.remember(name, process.pid, signal.SIGTERM)
    # Forgotten on purpose: whoever finds it must not be its parent's `Popen`.
    process.returncode = 0
    folder.release()
    return process.pid


class TestTheLock:
    async def test_a_second_supervisor_is_refused_and_told_who_is_there(
        self, folder: DataFolder, data_dir: Path
    ) -> None:
        with pytest.raises(AlreadyRunning, match=rf"in use by process {os.getpid()}\."):
            await DataFolder(data_dir).acquire()

    async def test_a_folder_that_was_let_go_can_be_taken(self, folder: DataFolder, data_dir: Path) -> None:
        folder.release()
        next_one = DataFolder(data_dir)

        await next_one.acquire()

        assert folder.in_use()
        next_one.release()
        assert not folder.in_use()

    async def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(FolderUnusable, match=re.escape(str(tmp_path / "file" / "data"))):
            await DataFolder(tmp_path / "file" / "data").acquire()

    async def test_everything_in_it_is_private(self, folder: DataFolder) -> None:
        folder.secrets()
        folder.ports(["one"])
        folder.open_log("one").close()

        assert {mode(path) & 0o077 for path in (folder.root, *folder.root.rglob("*"))} == {0}

    async def test_a_folder_that_was_there_keeps_its_permissions(self, tmp_path: Path) -> None:
        existing = tmp_path / "data"
        existing.mkdir(mode=0o755)
        folder = DataFolder(existing)

        await folder.acquire()

        folder.release()
        assert (mode(existing), mode(tmp_path)) == (0o755, 0o700)


class TestSecrets:
    async def test_they_are_the_same_at_the_next_start(self, folder: DataFolder, data_dir: Path) -> None:
        first = msgspec.structs.asdict(folder.secrets())

        assert msgspec.structs.asdict(DataFolder(data_dir).secrets()) == first
        assert len(set(first.values())) == len(first)

    async def test_the_encryption_key_is_256_bits_in_hexadecimal(self, folder: DataFolder) -> None:
        assert len(bytes.fromhex(folder.secrets().encryption_key)) == 32

    async def test_a_file_that_others_may_read_is_closed_to_them(self, folder: DataFolder) -> None:
        folder.secrets()
        (folder.run / "secrets.json").chmod(0o644)

        folder.secrets()

        assert mode(folder.run / "secrets.json") == 0o600

    async def test_what_an_older_release_did_not_know_is_added(self, folder: DataFolder) -> None:
        (folder.run / "secrets.json").write_text('{"encryption_key": "abc", "some_later_secret": "x"}')

        secrets = folder.secrets()

        assert secrets.encryption_key == "abc"
        assert secrets.jwt_secret

    async def test_data_without_its_secrets_is_not_given_new_ones(self, folder: DataFolder) -> None:
        (folder.root / "pg18").mkdir()

        with pytest.raises(FolderUnusable, match=r"secrets\.json is missing"):
            folder.secrets()

    async def test_a_damaged_file_is_reported_without_its_content(self, folder: DataFolder) -> None:
        (folder.run / "secrets.json").write_text('{"encryption_key": "s3cr3t')

        with pytest.raises(FolderUnusable) as refusal:
            folder.secrets()

        assert "s3cr3t" not in str(refusal.value)
        assert "s3cr3t" in (folder.run / "secrets.json").read_text()

    async def test_their_representation_shows_none(self, folder: DataFolder) -> None:
        secrets = folder.secrets()

        shown = f"{secrets!r} {secrets} {list(secrets.__rich_repr__())}"
        assert not [value for value in msgspec.structs.asdict(secrets).values() if value in shown]


class TestPorts:
    async def test_each_name_has_its_own_and_keeps_it(self, folder: DataFolder, data_dir: Path) -> None:
        first = folder.ports(["a", "b", "c"])

        assert len(set(first.values())) == 3
        assert DataFolder(data_dir).ports(["c", "b"]) == {"b": first["b"], "c": first["c"]}

    async def test_none_is_among_those_that_outgoing_connections_get(self, folder: DataFolder) -> None:
        assert all(20_000 <= port < 32_000 for port in folder.ports([str(n) for n in range(20)]).values())

    async def test_only_one_that_is_taken_is_chosen_again(self, folder: DataFolder) -> None:
        first = folder.ports(["a", "b"])
        with socket.create_server(("127.0.0.1", first["a"])):
            second = folder.ports(["a", "b"])

        assert second["a"] != first["a"]
        assert second["b"] == first["b"]
        assert folder.ports(["a", "b"]) == second

    async def test_names_that_choose_among_few_never_get_the_same(
        self, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folder_module, "PORT_RANGE", range(31_900, 31_912))

        assert len(set(folder.ports([str(n) for n in range(8)]).values())) == 8

    async def test_when_all_are_taken_it_says_so(
        self, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            monkeypatch.setattr(folder_module, "PORT_RANGE", range(port, port + 1))

            with pytest.raises(FolderUnusable, match=f"No free port was found from {port} to {port}"):
                folder.ports(["a"])

    async def test_a_lingering_connection_does_not_count_as_taken(self, folder: DataFolder) -> None:
        port = folder.ports(["a"])["a"]
        with socket.create_server(("127.0.0.1", port)) as server:
            caller = socket.create_connection(("127.0.0.1", port))
            taken, _ = server.accept()
            taken.close()  # The side that closes first lingers: here the server's port.
            caller.recv(1)
            caller.close()

        assert folder.ports(["a"]) == {"a": port}

    @pytest.mark.parametrize("content", ["", "[]", '{"a": "x"}', '{"a": 80}', '{"a": 99999999}', '{"a": -1}'])
    async def test_rubbish_in_the_file_is_no_obstacle(self, folder: DataFolder, content: str) -> None:
        (folder.run / "ports.json").write_text(content)

        assert 20_000 <= folder.ports(["a"])["a"] < 32_000


class TestLeftovers:
    async def test_a_child_of_a_killed_supervisor_is_ended(self, folder: DataFolder, data_dir: Path) -> None:
        pid = left_behind(folder, "server", SLEEP)

        await DataFolder(data_dir).acquire()

        assert not runs(pid)

    async def test_one_that_does_not_want_to_end_is_killed(
        self, folder: DataFolder, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folder_module, "LEFTOVER_SECONDS", 0.2)
        pid = left_behind(folder, "server", ("/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"))

        await DataFolder(data_dir).acquire()

        assert not runs(pid)

    async def test_another_process_that_got_the_number_is_left_alone(
        self, folder: DataFolder, data_dir: Path
    ) -> None:
        innocent = started(SLEEP)
        folder.remember("server", innocent.pid, signal.SIGTERM)
        pids = folder.run / "pids.json"
        pids.write_text(re.sub(r'"started": "\d+"', '"started": "1"', pids.read_text()))
        folder.release()

        await DataFolder(data_dir).acquire()

        assert innocent.poll() is None
        innocent.kill()
        innocent.wait()

    async def test_numbers_from_before_a_reboot_mean_nothing(
        self, folder: DataFolder, data_dir: Path
    ) -> None:
        innocent = started(SLEEP)
        folder.remember("server", innocent.pid, signal.SIGTERM)
        pids = folder.run / "pids.json"
        pids.write_text(re.sub(r'"machine": "[^"]*"', '"machine": "another boot"', pids.read_text()))
        folder.release()

        await DataFolder(data_dir).acquire()

        assert innocent.poll() is None
        innocent.kill()
        innocent.wait()

    async def test_a_damaged_list_is_no_obstacle(self, folder: DataFolder, data_dir: Path) -> None:
        (folder.run / "pids.json").write_text('{"machine": ')
        folder.release()

        await DataFolder(data_dir).acquire()


class TestLogs:
    async def test_a_log_is_continued(self, folder: DataFolder) -> None:
        for line in (b"first\n", b"second\n"):
            with folder.open_log("server") as file:
                file.write(line)

        assert folder.tail("server", since=0) == "first\nsecond"
        assert folder.tail("server", since=6) == "second"

    async def test_a_log_that_is_too_long_is_set_aside(
        self, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folder_module, "LOG_LIMIT_BYTES", 5)
        for line in (b"first\n", b"second\n"):
            with folder.open_log("server") as file:
                file.write(line)

        assert folder.log_of("server").read_text() == "second\n"
        assert (folder.logs / "server.log.1").read_text() == "first\n"

    async def test_only_the_end_of_a_log_is_quoted(self, folder: DataFolder) -> None:
        with folder.open_log("server") as file:
            file.write(b"".join(b"line %d\n" % n for n in range(100_000)))

        assert folder.tail("server", since=0).splitlines() == [f"line {n}" for n in range(99_980, 100_000)]
