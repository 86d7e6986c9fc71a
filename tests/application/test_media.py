"""Pictures of people: shown in the commit that notes where they lie, and gone when nobody shows them (ACC-32, ES-17)."""

from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

import pytest

from application.accounts import handlers as accounts
from application.accounts.commands import DeleteAccount, SuspendAccount, UpdateProfile
from application.api_keys import handlers as api_keys
from application.media import handlers as media
from application.media.commands import DeleteMedia, SetAvatar
from application.media.policies import FOLLOWED, ClearAway
from application.media.ports import FilesAway, Picture
from application.media.profile_pictures import ProfilePictures, Upload, folder_of
from application.shared.caller import SYSTEM, ActorKind, Caller
from domain.accounts.account import AccountIsGone, AccountIsSuspended
from domain.accounts.events import AccountDeleted, AvatarChanged
from domain.media.events import MediaDeleted, MediaKind, MediaUploaded
from domain.media.image_files import FileExtensionMismatch, ImageType, InvalidFileType
from domain.media.media import MediaNotFound
from domain.shared.errors import AccessDenied, NotAuthenticated, NotPermitted
from domain.shared.events import Recorded
from domain.shared.personal import ERASED
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import House, make_hasher
from tests.support.commands import NOON, shop
from tests.support.files import KeptFiles
from tests.support.memory_store import InMemoryEventStore

PNG = b"\x89PNG\r\n\x1a\n as it was sent"
ADDRESS = "https://shop.uz/api/v1/media/"
upload = Upload(file_name="Nodira at home.png", declared_type="image/png", content=PNG)


class Drawing:
    """Draws every picture alike."""

    async def draw(self, content: bytes, image_type: ImageType) -> Picture:
        assert (content, image_type) == (PNG, ImageType.PNG)
        return Picture(content=b"drawn anew", content_type="image/webp", width=4, height=3)


class HistoryInMemory:
    """The log as workflows read it."""

    def __init__(self, store: InMemoryEventStore) -> None:
        self._store = store

    async def stream(self, stream_id: UUID, upto_version: int) -> Sequence[Recorded]:
        return [each for each in self.all() if each.stream_id == stream_id and each.version <= upto_version]

    def all(self) -> list[Recorded]:
        return [
            Recorded(
                position=position,
                stream_id=new.stream_id,
                version=new.version,
                event=new.event,
                recorded_at=NOON,
            )
            for position, new in enumerate(self._store.log, 1)
        ]


class Album:
    """A house with pictures, and the workflow that clears them away."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.files = KeptFiles()
        self.pictures = ProfilePictures(
            files=self.files,
            portraits=Drawing(),
            new_id=new_id,
            address_of=lambda media_id: f"{ADDRESS}{media_id}",
        )
        self._history = HistoryInMemory(house.store)
        self._clearing = ClearAway(history=self._history, commands=house.market.loop, files=self.files)
        self._followed = 0

    async def show(self, owner: Caller) -> SetAvatar:
        """Send a picture and show it."""
        assert owner.actor_id is not None
        command = await self.pictures.take_in(upload, owner.actor_id)
        await self.house.ask(command, owner)
        return command

    async def clear(self, *, again: bool = False) -> None:
        """Follow the log to its end; `again` from its beginning."""
        self._followed = 0 if again else self._followed
        while self._followed < len(self._history.all()):
            recorded = self._history.all()[self._followed]
            if isinstance(recorded.event, FOLLOWED):
                await self._clearing.follow(recorded, SYSTEM)
            self._followed += 1


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def album(hasher: PasswordHasher) -> AsyncIterator[Album]:
    handlers = accounts.HANDLERS | api_keys.HANDLERS | media.HANDLERS
    async with shop(handlers, (*accounts.KINDS, *api_keys.KINDS, *media.KINDS)) as market:
        yield Album(House(market, hasher))


class TestShowing:
    async def test_a_picture_and_that_it_is_shown_are_one_commit(self, album: Album) -> None:
        owner = await album.house.owner()
        assert owner.actor_id is not None
        command = await album.pictures.take_in(upload, owner.actor_id)
        before = album.house.store.appends
        events = await album.house.events_of_command(command, owner)
        assert album.house.store.appends == before + 1
        assert events == [
            MediaUploaded(
                owner_id=owner.actor_id,
                kind=MediaKind.IMAGE,
                content_type="image/webp",
                size_bytes=10,
                sha256=command.sha256,
                storage_key=command.storage_key,
                url=f"{ADDRESS}{command.media_id}",
                width=4,
                height=3,
            ),
            AvatarChanged(media_id=command.media_id, url=f"{ADDRESS}{command.media_id}"),
        ]
        assert album.files.kept == {command.storage_key: b"drawn anew"}

    async def test_it_lies_under_a_key_of_ours_that_tells_nothing_of_the_file(self, album: Album) -> None:
        owner = await album.house.owner()
        command = await album.show(owner)
        assert command.storage_key == f"avatars/{owner.actor_id}/{command.media_id}"
        assert "Nodira" not in repr(upload)
        assert command.sha256 not in repr(command)

    async def test_what_is_no_picture_never_gets_into_the_store(self, album: Album) -> None:
        html = Upload(file_name="me.png", declared_type="image/png", content=b"<html>")
        named = Upload(file_name="me.html", declared_type="image/png", content=PNG)
        with pytest.raises(InvalidFileType):
            await album.pictures.take_in(html, new_id())
        with pytest.raises(FileExtensionMismatch):
            await album.pictures.take_in(named, new_id())
        assert album.files.kept == {}

    async def test_nobody_shows_a_picture_in_the_name_of_another(self, album: Album) -> None:
        owner, other = await album.house.owner(), await album.house.owner("zebo@example.uz")
        assert owner.actor_id is not None
        command = await album.pictures.take_in(upload, owner.actor_id)
        with pytest.raises(AccessDenied):
            await album.house.ask(command, other)
        with pytest.raises(NotAuthenticated):
            await album.house.ask(command, Caller())
        program = Caller(actor_id=owner.actor_id, role="customer", actor_kind=ActorKind.API_KEY)
        with pytest.raises(NotPermitted):
            await album.house.ask(command, program)
        assert album.house.account(owner.actor_id).avatar_url is None

    async def test_who_may_not_act_shows_nothing_and_the_file_is_taken_back(self, album: Album) -> None:
        admin, owner = await album.house.admin(), await album.house.owner()
        assert owner.actor_id is not None
        await album.house.ask(SuspendAccount(account_id=owner.actor_id), admin)
        command = await album.pictures.take_in(upload, owner.actor_id)
        with pytest.raises(AccountIsSuspended):
            await album.house.ask(command, owner)
        await album.pictures.give_up(command)
        assert album.files.kept == {}

    async def test_a_store_that_is_away_keeps_nobody_from_an_answer(self, album: Album) -> None:
        command = await album.show(await album.house.owner())
        album.files.away = True
        with pytest.raises(FilesAway):
            await album.pictures.take_in(upload, new_id())
        await album.pictures.give_up(command)


class TestClearingAway:
    async def test_a_picture_that_was_replaced_goes_and_the_new_one_stays(self, album: Album) -> None:
        owner = await album.house.owner()
        first, second = await album.show(owner), await album.show(owner)
        await album.clear()
        assert album.files.kept.keys() == {second.storage_key}
        assert album.house.store.events(MediaDeleted) == [MediaDeleted(by=owner.actor_id)]  # type: ignore[arg-type]
        assert [type(each) for each in album.house.store.streams[first.media_id]] == [
            MediaUploaded,
            MediaDeleted,
        ]

    @pytest.mark.parametrize("url", [None, "https://pictures.example/nodira.jpg"])
    async def test_who_shows_another_or_none_has_no_picture_with_us_any_more(
        self, album: Album, url: str | None
    ) -> None:
        owner = await album.house.owner()
        assert owner.actor_id is not None
        await album.show(owner)
        await album.house.ask(UpdateProfile(account_id=owner.actor_id, avatar_url=url), owner)
        await album.clear()
        assert album.files.kept == {}

    async def test_of_a_deleted_account_no_picture_is_left(self, album: Album) -> None:
        admin, owner = await album.house.admin(), await album.house.owner()
        other = await album.house.owner("zebo@example.uz")
        assert owner.actor_id is not None
        await album.show(owner)
        kept = await album.show(other)
        await album.files.put(f"{folder_of(owner.actor_id)}{new_id()}", b"never shown", "image/webp")
        ending = await album.house.events_of_command(DeleteAccount(account_id=owner.actor_id), admin)
        assert MediaDeleted(by=admin.actor_id) in ending  # type: ignore[arg-type]
        await album.clear()
        assert album.files.kept.keys() == {kept.storage_key}
        assert album.house.store.events(MediaDeleted) == [MediaDeleted(by=admin.actor_id)]  # type: ignore[arg-type]
        hashes = [e.sha256 for e in album.house.store.events(MediaUploaded) if isinstance(e, MediaUploaded)]
        assert hashes == [ERASED, kept.sha256]

    async def test_a_deleted_account_shows_no_new_one(self, album: Album) -> None:
        admin, owner = await album.house.admin(), await album.house.owner()
        assert owner.actor_id is not None
        command = await album.pictures.take_in(upload, owner.actor_id)
        await album.house.ask(DeleteAccount(account_id=owner.actor_id), admin)
        with pytest.raises(AccountIsGone):
            await album.house.ask(command, owner)

    async def test_asked_again_it_changes_nothing(self, album: Album) -> None:
        admin, owner = await album.house.admin(), await album.house.owner()
        assert owner.actor_id is not None
        await album.show(owner)
        await album.show(owner)
        await album.house.ask(DeleteAccount(account_id=owner.actor_id), admin)
        await album.clear()
        facts = len(album.house.store.log)
        await album.clear(again=True)
        assert len(album.house.store.log) == facts
        assert len(album.house.store.events(MediaDeleted)) == 2

    async def test_while_the_store_is_away_the_deletion_waits_and_then_goes_on(self, album: Album) -> None:
        admin, owner = await album.house.admin(), await album.house.owner()
        assert owner.actor_id is not None
        await album.show(owner)
        await album.house.ask(DeleteAccount(account_id=owner.actor_id), admin)
        album.files.away = True
        with pytest.raises(FilesAway):
            await album.clear()
        assert AccountDeleted in {type(each) for each in album.house.store.events()}
        album.files.away = False
        await album.clear()
        assert album.files.kept == {}

    async def test_nobody_asks_for_it(self, album: Album) -> None:
        owner = await album.house.owner()
        command = await album.show(owner)
        assert owner.actor_id is not None
        with pytest.raises(NotPermitted):
            await album.house.ask(DeleteMedia(media_id=command.media_id, by=owner.actor_id), owner)
        with pytest.raises(MediaNotFound):
            await album.house.ask(DeleteMedia(media_id=new_id(), by=owner.actor_id))
