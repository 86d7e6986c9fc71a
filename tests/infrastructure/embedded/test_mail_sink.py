from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infrastructure.embedded.mail_sink import MailFolder

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
MESSAGE = b"Message-ID: <one@shop.example>\r\nSubject: Hello\r\n\r\nBody\r\n"


class Clock:
    """Tells the moments that it was given, and the last one for ever."""

    def __init__(self, *moments: datetime) -> None:
        self._moments: Iterator[datetime] = iter(moments)
        self._now = NOON

    def __call__(self) -> datetime:
        self._now = next(self._moments, self._now)
        return self._now


def keep(folder: MailFolder, content: bytes = MESSAGE) -> Path:
    return folder.keep(content, sender="shop@example.com", recipients=["ann@example.com", "bob@example.com"])


def test_a_message_is_kept_whole_below_its_envelope(tmp_path: Path) -> None:
    path = keep(MailFolder(tmp_path, Clock(NOON)))

    assert path.name == "20260501T120000.000000Z-one@shop.example.eml"
    envelope = b"Return-Path: <shop@example.com>\r\nDelivered-To: ann@example.com\r\nDelivered-To: bob@example.com\r\n"
    assert path.read_bytes() == envelope + MESSAGE


def test_messages_of_one_instant_keep_their_order(tmp_path: Path) -> None:
    folder = MailFolder(tmp_path, Clock(NOON))

    arrived = [keep(folder, b"Message-ID: <%d>\r\n\r\n" % (9 - n)) for n in range(5)]

    assert sorted(tmp_path.iterdir()) == arrived


def test_a_clock_that_is_set_back_does_not_change_the_order(tmp_path: Path) -> None:
    folder = MailFolder(tmp_path, Clock(NOON, NOON - timedelta(hours=1)))

    arrived = [keep(folder), keep(folder)]

    assert sorted(tmp_path.iterdir()) == arrived


def test_nor_does_a_restart_after_it(tmp_path: Path) -> None:
    first = keep(MailFolder(tmp_path, Clock(NOON)))

    second = keep(MailFolder(tmp_path, Clock(NOON - timedelta(hours=1))))

    assert sorted(tmp_path.iterdir()) == [first, second]


def test_a_message_that_comes_again_is_kept_again(tmp_path: Path) -> None:
    folder = MailFolder(tmp_path, Clock(NOON))

    assert keep(folder) != keep(folder)
    assert len(list(tmp_path.glob("*.eml"))) == 2


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"Message-ID: <../../etc/passwd@x>", "etc.passwd@x"),
        (b"Message-ID: <a b/c\\d\x00e@x>", "a.b.c.d.e@x"),
        (b"Message-Id:\r\n <folded@x>", "folded@x"),
        (b"Message-ID: <" + b"a" * 500 + b">", "a" * 80),
        (b"Message-ID: \xff\xfe", "no-message-id"),
        (b"Subject: none", "no-message-id"),
        (b"", "no-message-id"),
    ],
)
def test_no_message_id_leads_out_of_the_folder(tmp_path: Path, header: bytes, name: str) -> None:
    path = keep(MailFolder(tmp_path, Clock(NOON)), header + b"\r\n\r\nBody\r\n")

    assert path.parent == tmp_path
    assert path.name == f"20260501T120000.000000Z-{name}.eml"


def test_an_unfinished_file_of_a_killed_sink_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".20260501T120000.000000Z-x.eml.new").write_bytes(b"half")

    MailFolder(tmp_path, Clock(NOON))

    assert list(tmp_path.iterdir()) == []


def test_files_of_others_in_the_folder_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "zzz.eml").touch()

    assert keep(MailFolder(tmp_path, Clock(NOON))).exists()
