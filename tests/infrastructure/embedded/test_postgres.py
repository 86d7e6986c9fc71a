import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.embedded import postgres
from infrastructure.embedded.errors import FolderUnusable
from infrastructure.embedded.supervisor import EmbeddedServices
from tests.infrastructure.embedded.programs import ROOT


@pytest.fixture
def stranger() -> Iterator[int]:
    """The number of a process that is no PostgreSQL."""
    with subprocess.Popen(("/bin/sleep", "60")) as process:
        yield process.pid
        process.kill()


def test_the_number_of_another_program_in_the_pid_file_is_no_obstacle(tmp_path: Path, stranger: int) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{stranger}\n{tmp_path}\n")

    postgres.remove_stale_pid_file(tmp_path)

    assert not (tmp_path / "postmaster.pid").exists()


def test_the_pid_file_of_a_running_postgres_is_left(tmp_path: Path) -> None:
    imitation = ("/bin/sh", "-c", "sleep 60; :", "postgres", "-D", str(tmp_path))
    with subprocess.Popen(imitation, start_new_session=True) as process:
        (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n{tmp_path}\n")

        postgres.remove_stale_pid_file(tmp_path)

        os.killpg(process.pid, 9)
    assert (tmp_path / "postmaster.pid").exists()


@pytest.mark.parametrize("content", ["", "rubbish\n", "4194304999\n"])
def test_a_pid_file_that_names_no_living_process_is_left_to_postgres(tmp_path: Path, content: str) -> None:
    (tmp_path / "postmaster.pid").write_text(content)

    postgres.remove_stale_pid_file(tmp_path)

    assert (tmp_path / "postmaster.pid").read_text() == content


async def test_a_folder_that_holds_no_database_is_not_overwritten(data_dir: Path) -> None:
    async with EmbeddedServices(data_dir, frozenset()):
        pass
    (data_dir / "pg18").mkdir()
    (data_dir / "pg18" / "diary.txt").write_text("dear diary")

    with pytest.raises(FolderUnusable, match="holds no database"):
        await EmbeddedServices(data_dir, frozenset(("postgres",))).__aenter__()

    assert (data_dir / "pg18" / "diary.txt").read_text() == "dear diary"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_a_root_without_rights_is_told_what_to_do() -> None:
    ask = "from infrastructure.embedded.postgres import account_to_become as a; a()"
    done = subprocess.run(
        ("setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", ask),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 1
    assert "may not become another account (missing capabilities: CHOWN, DAC_OVERRIDE, KILL" in done.stderr
    assert "Run Daftar as an ordinary user, or set DATABASE_URL" in done.stderr
