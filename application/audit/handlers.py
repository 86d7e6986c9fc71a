"""Use cases of the audit: staff look into the log, super admins have read models made anew."""

from collections.abc import Mapping
from typing import Any

from application.accounts.authority import acting_account, acting_staff
from application.audit.commands import RebuildProjection, RecordAuditReplay
from application.audit.results import RebuildAsked
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.accounts.account import Account
from domain.accounts.permissions import Permission, permits
from domain.accounts.roles import Role
from domain.audit import admin_audit
from domain.audit.admin_audit import BEGINNING, COMMAND_LINE, AdminAudit, admin_audit_id
from domain.shared.errors import NotPermitted


def record_audit_replay(command: RecordAuditReplay, unit: Unit) -> AdminAudit:
    """Keep what the caller is about to be shown. Whoever was of the staff until a moment ago is shown nothing."""
    events = AdminAudit.replay(
        target_type=command.target_type,
        target_id=command.target_id,
        query=command.query,
        reason=command.reason,
    )
    audit_id = COMMAND_LINE if unit.caller.is_system else admin_audit_id(_reader(unit).account_id)
    return unit.begin(AdminAudit, audit_id, events)


def _reader(unit: Unit) -> Account:
    staff = acting_staff(unit, Permission.AUDIT_READ)
    staff.check_may_act()
    if not permits(staff.role, Permission.AUDIT_READ):
        raise NotPermitted("Only staff look into the log.")
    return staff


def rebuild_projection(command: RebuildProjection, unit: Unit) -> RebuildAsked:
    """Have a read model made anew. A super admin asks for it in person."""
    admin = _super_admin(unit)
    events = AdminAudit.request_rebuild(projection=command.projection, reason=command.reason)
    audit = unit.begin(AdminAudit, admin_audit_id(admin.account_id), events)
    return RebuildAsked(audit_id=audit.audit_id, projection=command.projection, from_position=BEGINNING)


def _super_admin(unit: Unit) -> Account:
    account = acting_account(unit)
    account.check_may_act()
    if account.role is not Role.SUPER_ADMIN:
        raise NotPermitted("Only super admins have read models made anew.")
    return account


HANDLERS: Mapping[type[Command], Handler] = {
    RecordAuditReplay: record_audit_replay,
    RebuildProjection: rebuild_projection,
}

KINDS: tuple[Kind[Any], ...] = (Kind("admin_audit", AdminAudit, admin_audit.evolve),)
