"""A supervisor as a program of its own, for tests that send it signals or kill it.

    python -m tests.infrastructure.embedded.supervised DATA_DIR [SERVICE...]

It says `ready` when everything runs: the services, and one role that notes in `role.txt` when it begins and ends.
"""

import asyncio
import sys
from pathlib import Path

from infrastructure.embedded.child import Child
from infrastructure.embedded.errors import EmbeddedError
from infrastructure.embedded.services import ServiceUrls
from infrastructure.embedded.supervisor import Supervisor

ROLE = """
trap 'echo ended >> role.txt; exit 0' TERM
echo began >> role.txt
while :; do sleep 0.05; done
"""


async def main(data_dir: Path, wanted: frozenset[str]) -> None:
    async def migrate(urls: ServiceUrls) -> None:
        print("migrating", flush=True)

    def children(urls: ServiceUrls) -> list[Child]:
        return [Child(name="role", argv=("/bin/sh", "-c", ROLE), cwd=data_dir)]

    await Supervisor(data_dir, wanted).run(
        migrate=migrate, children=children, ready=lambda: print("ready", flush=True)
    )


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]), frozenset(sys.argv[2:])))
    except EmbeddedError as error:
        sys.exit(f"{error.code}: {error}")
