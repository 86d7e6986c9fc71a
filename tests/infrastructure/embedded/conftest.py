import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from infrastructure.embedded.child import Child
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.keeper import Crew


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder below one that only its owner may enter, removed at once because servers fill it."""
    with tempfile.TemporaryDirectory(prefix="daftar-") as parent:
        yield Path(parent) / "data"
        shutil.rmtree(Path(parent) / "data", ignore_errors=True)


@pytest.fixture
async def folder(data_dir: Path) -> AsyncIterator[DataFolder]:
    """A data folder that is ours at the moment."""
    folder = DataFolder(data_dir)
    await folder.acquire()
    yield folder
    folder.release()


class CrewMaker:
    """Makes crews and stops them at the end of the test."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.hurry = asyncio.Event()
        self.made: list[Crew] = []

    def __call__(self, *children: Child) -> Crew:
        crew = Crew(children, self.folder, hurry=self.hurry)
        self.made.append(crew)
        return crew


@pytest.fixture
async def crew_of(folder: DataFolder) -> AsyncIterator[CrewMaker]:
    maker = CrewMaker(folder)
    yield maker
    maker.hurry.set()
    for crew in maker.made:
        await crew.stop()
