"""Who may look into the log and have read models made anew, as the log has them at that moment."""

from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from application.accounts.commands import ChangeAccountRole, SuspendAccount
from application.audit.commands import RebuildProjection, RecordAuditReplay
from application.audit.results import RebuildAsked
from application.shared.caller import SYSTEM, ActorKind, Caller
from application.shared.command import Command
from domain.accounts.account import AccountIsSuspended
from domain.accounts.permissions import Permission
from domain.accounts.roles import Role
from domain.audit.admin_audit import COMMAND_LINE, LOG, AdminAudit, admin_audit_id
from domain.audit.events import AuditQuery, AuditReplayPerformed, ProjectionRebuildRequested
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import STRANGER, House, make_hasher, open_house

LOOK = RecordAuditReplay(target_type=LOG, query=AuditQuery(event="orders.OrderPlaced"), reason="A complaint")
ANEW = RebuildProjection(projection="customer_orders")


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(hasher: PasswordHasher) -> AsyncIterator[House]:
    async with open_house(hasher) as opened:
        yield opened


def by_key(caller: Caller, *permissions: Permission) -> Caller:
    return msgspec.structs.replace(
        caller, actor_kind=ActorKind.API_KEY, permissions=frozenset(each.value for each in permissions)
    )


class TestLooking:
    async def test_each_look_is_kept_in_the_stream_of_whoever_looked(self, house: House) -> None:
        admin = await house.admin()
        assert admin.actor_id is not None
        for count in (1, 2):
            done = await house.ask(LOOK, admin)
            assert done.result == AdminAudit(audit_id=admin_audit_id(admin.actor_id), replays=count)
        assert house.store.events()[-1] == AuditReplayPerformed(
            target_type=LOG, query=AuditQuery(event="orders.OrderPlaced"), reason="A complaint"
        )

    async def test_a_program_looks_in_the_name_of_its_owner(self, house: House) -> None:
        admin = await house.admin()
        await house.ask(LOOK, by_key(admin, Permission.AUDIT_READ))
        metadata = house.store.log[-1].envelope.metadata
        assert (metadata.actor_id, metadata.actor_kind) == (admin.actor_id, "api_key")

    async def test_a_key_for_something_else_looks_at_nothing(self, house: House) -> None:
        with pytest.raises(NotPermitted):
            await house.ask(LOOK, by_key(await house.admin(), Permission.ACCOUNTS_MANAGE))

    async def test_whoever_was_of_the_staff_until_a_moment_ago_looks_at_nothing(self, house: House) -> None:
        chief, admin = await house.chief(), await house.admin()
        assert admin.actor_id is not None
        await house.ask(ChangeAccountRole(account_id=admin.actor_id, role=Role.CUSTOMER), chief)
        with pytest.raises(NotPermitted):
            await house.ask(LOOK, admin)

    async def test_nor_does_who_is_suspended(self, house: House) -> None:
        chief, admin = await house.chief(), await house.admin()
        assert admin.actor_id is not None
        await house.ask(SuspendAccount(account_id=admin.actor_id), chief)
        with pytest.raises(AccountIsSuspended):
            await house.ask(LOOK, admin)

    @pytest.mark.parametrize("command", [LOOK, ANEW], ids=lambda command: type(command).__name__)
    async def test_neither_customers_nor_strangers(self, house: House, command: Command) -> None:
        with pytest.raises(NotPermitted):
            await house.ask(command, await house.owner())
        with pytest.raises(NotAuthenticated):
            await house.ask(command, STRANGER)

    async def test_the_command_line_looks_for_nobody_in_particular_and_asks_for_nothing(
        self, house: House
    ) -> None:
        done = await house.ask(LOOK, SYSTEM)
        assert done.result.stream_id == COMMAND_LINE
        with pytest.raises(NotAuthenticated):
            await house.ask(ANEW, SYSTEM)


class TestRebuilding:
    async def test_a_super_admin_has_a_read_model_made_anew(self, house: House) -> None:
        chief = await house.chief()
        assert chief.actor_id is not None
        done = await house.ask(ANEW, chief)
        assert done.result == RebuildAsked(
            audit_id=admin_audit_id(chief.actor_id), projection="customer_orders", from_position=0
        )
        assert house.store.events()[-1] == ProjectionRebuildRequested(
            projection="customer_orders", from_position=0
        )

    async def test_an_admin_does_not(self, house: House) -> None:
        with pytest.raises(NotPermitted):
            await house.ask(ANEW, await house.admin())

    async def test_nor_does_a_program(self, house: House) -> None:
        with pytest.raises(NotPermitted):
            await house.ask(ANEW, by_key(await house.chief(), Permission.EVERYTHING))

    async def test_whoever_looks_and_rebuilds_has_one_stream_for_both(self, house: House) -> None:
        chief = await house.chief()
        await house.ask(LOOK, chief)
        done = await house.ask(ANEW, chief)
        assert done.version == 2

    async def test_somebody_who_never_was_has_none(self, house: House) -> None:
        with pytest.raises(NotAuthenticated):
            await house.ask(LOOK, Caller(actor_id=new_id(), role="admin"))
