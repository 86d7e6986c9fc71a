"""What admins do with the accounts of others: suspend them, change their role, delete them (requirements §45.6, ACC-27 to ACC-29)."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.accounts.answers import note
from api.accounts.requests import AccountReasonRequest, ChangeRoleRequest
from api.accounts.views import AdministeredView
from api.assembly import services_of
from api.envelope import Envelope
from api.openapi import errors
from api.submission import recorded, submit
from application.accounts.commands import (
    ChangeAccountRole,
    DeleteAccount,
    SuspendAccount,
    UnsuspendAccount,
)
from application.accounts.results import AccountOutcome
from application.shared.caller import Caller
from application.shared.command import Command

AnyRequest = Request[Any, Any, Any]
Administered = Response[Envelope[AdministeredView]]


class AccountsOfOthersController(Controller):
    """What becomes of an account. Nobody does any of it to their own, and only a super admin to a super admin's."""

    path = "/admin/accounts"
    tags = ("Administration",)

    @patch(
        "/{account_id:uuid}/suspend",
        status_code=200,
        summary="Suspend an account",
        responses=errors("RESOURCE_NOT_FOUND"),
    )
    async def suspend(
        self,
        request: AnyRequest,
        account_id: FromPath[UUID],
        caller: NamedDependency[Caller],
        data: JSONBody[AccountReasonRequest | None] = None,
    ) -> Administered:
        """Take it from an account to do anything. Its sessions end at once, its API keys open nothing meanwhile.

        Suspending twice is suspending once. The body, with a reason, may be left out.
        """
        command = SuspendAccount(account_id=account_id, reason=None if data is None else data.reason)
        return await _submit(request, command, account_id, caller, event="account_suspended")

    @patch(
        "/{account_id:uuid}/unsuspend",
        status_code=200,
        summary="Give a suspended account back",
        responses=errors("RESOURCE_NOT_FOUND"),
    )
    async def unsuspend(
        self, request: AnyRequest, account_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Administered:
        """Let an account do again what it could. Its owner has to sign in anew."""
        command = UnsuspendAccount(account_id=account_id)
        return await _submit(request, command, account_id, caller, event="account_unsuspended")

    @patch(
        "/{account_id:uuid}/role",
        status_code=200,
        summary="Change somebody's role",
        responses=errors("RESOURCE_NOT_FOUND"),
    )
    async def change_role(
        self,
        request: AnyRequest,
        account_id: FromPath[UUID],
        data: JSONBody[ChangeRoleRequest],
        caller: NamedDependency[Caller],
    ) -> Administered:
        """Make an account something else. Its sessions end at once, so that no token speaks of the old role."""
        command = ChangeAccountRole(account_id=account_id, role=data.role)
        return await _submit(request, command, account_id, caller, event="account_role_changed")

    @delete(
        "/{account_id:uuid}",
        status_code=200,
        summary="Delete an account",
        responses=errors("RESOURCE_NOT_FOUND"),
    )
    async def delete_account(
        self,
        request: AnyRequest,
        account_id: FromPath[UUID],
        caller: NamedDependency[Caller],
        data: JSONBody[AccountReasonRequest | None] = None,
    ) -> Administered:
        """End an account for good and forget its person: nobody can read their data again, and nothing brings them back.

        Sessions and API keys end at once, the email address is free for a new account. Orders and their money stay as they
        are, without the person. Deleting twice is deleting once. The body, with a reason, may be left out.
        """
        command = DeleteAccount(account_id=account_id, reason=None if data is None else data.reason)
        return await _submit(request, command, account_id, caller, event="account_deleted")


async def _submit(
    request: AnyRequest, command: Command, account_id: UUID, caller: Caller, *, event: str
) -> Administered:
    accounts = services_of(request).accounts

    def shown(outcome: AccountOutcome) -> AdministeredView:
        for each in (outcome.account_id, *outcome.ended_sessions, *outcome.revoked_keys):
            accounts.forget(each)
        return AdministeredView.of(outcome)

    answer = await submit(request, command, shown, kind="account", entity=account_id)
    if recorded(answer):
        note(request, event, account_id, answer.content.data.role, by=caller.actor_id)
    return answer
