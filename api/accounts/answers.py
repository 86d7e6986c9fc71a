"""What the door answers, and what it notes: in the caller's language, and in the log's."""

from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
from litestar import Request, Response

from api.accounts.views import SignedInView, TokensView, UserView
from api.assembly import AppServices
from api.context import context_of
from api.envelope import Envelope, Meta, envelope
from api.localisation.catalogue import Notice
from api.localisation.languages import catalogue_for
from application.accounts.results import Refreshed, Registered, SignedIn
from domain.accounts.session import access_token_id, first_refresh_token_id

T = TypeVar("T")

AnyRequest = Request[Any, Any, Any]

_FIRST: Final = 1
"""The number of the pair of tokens that a session begins with."""

log: Final = structlog.get_logger(__name__)


def told(
    request: AnyRequest,
    data: T,
    notice: Notice,
    *,
    position: int | None = None,
    status: int = 200,
    replayed: bool = False,
) -> Response[Envelope[T]]:
    """An answer with a sentence for people; `position` is where the log stands after it."""
    catalogue = catalogue_for(context_of(request).headers)
    headers = {"Content-Language": catalogue.language}
    meta = None
    if position is not None:
        headers["X-Position"] = str(position)
        meta = Meta(position=position)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    body = envelope(data, message=catalogue.notices[notice], meta=meta)
    return Response(body, status_code=status, headers=headers)


def note(request: AnyRequest, event: str, account_id: UUID | None, role: str | None, **more: object) -> None:
    """Say in the log who came, went or changed something, and from where; never by name or email (requirements LOG-04)."""
    context = context_of(request)
    log.info(
        event,
        account_id=account_id,
        role=role,
        client_address=context.client_address,
        request_id=context.request_id,
        **more,
    )


def language_of(request: AnyRequest) -> str:
    """The language that the caller reads best, of those that we write."""
    return catalogue_for(context_of(request).headers).language


def signed_in(services: AppServices, opened: Registered | SignedIn, user: UserView) -> SignedInView:
    """Tokens for a session that was opened; a repeated registration mints the same pair again."""
    assert opened.session_id is not None, "whoever is signed in has a session"
    pair = _mint(
        services,
        account_id=opened.account_id,
        role=opened.role.value,
        session_id=opened.session_id,
        access_id=access_token_id(opened.session_id, _FIRST),
        refresh_id=first_refresh_token_id(opened.session_id),
    )
    return SignedInView(
        user=user,
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in,
    )


def refreshed(services: AppServices, session: Refreshed) -> TokensView:
    """The pair that a session goes on by."""
    return _mint(
        services,
        account_id=session.account_id,
        role=session.role.value,
        session_id=session.session_id,
        access_id=session.access_token_id,
        refresh_id=session.refresh_token_id,
    )


def _mint(
    services: AppServices,
    *,
    account_id: UUID,
    role: str,
    session_id: UUID,
    access_id: UUID,
    refresh_id: UUID,
) -> TokensView:
    tokens = services.tokens
    access = tokens.issue_access(account_id=account_id, role=role, session_id=session_id, token_id=access_id)
    refresh = tokens.issue_refresh(
        account_id=account_id, role=role, session_id=session_id, token_id=refresh_id
    )
    return TokensView(
        access_token=access.token.reveal(),
        refresh_token=refresh.token.reveal(),
        expires_in=int(services.settings.tokens.access_lifetime.total_seconds()),
    )
