"""A store of files in memory, which can be away."""

from application.media.ports import FilesAway


class KeptFiles:
    """Implements `application.media.ports.Files`."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.away = False

    async def put(self, storage_key: str, content: bytes, content_type: str) -> None:
        self._reach()
        self.kept[storage_key] = content

    async def get(self, storage_key: str) -> bytes | None:
        self._reach()
        return self.kept.get(storage_key)

    async def delete(self, storage_key: str) -> None:
        self._reach()
        self.kept.pop(storage_key, None)

    async def delete_all(self, beginning: str) -> int:
        self._reach()
        found = [key for key in self.kept if key.startswith(beginning)]
        for key in found:
            del self.kept[key]
        return len(found)

    def _reach(self) -> None:
        if self.away:
            raise FilesAway("The object store is away.")
