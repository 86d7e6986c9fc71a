"""Our workflows: mails, earnings, refunds, and what goes with who is gone (ES-12, NTF-01, OUT-04, ACC-28, ES-17)."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from application.listings.policies import ENDS, ArchiveWhenAccountDeleted
from application.media.policies import FOLLOWED, ClearAway
from application.media.ports import Files
from application.notifications.policies import MAILED
from application.notifications.ports import Commands, History, Mailer, MailRefused
from application.notifications.post import PostOffice
from application.payments.desk import PaymentDesk
from application.payments.ports import GatewayRegistry, ProviderAway
from application.payouts.policies import accrue_when_delivered
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Command
from application.shared.loop import CommandLoop
from application.shared.ports import Clock
from domain.orders.events import OrderDelivered
from domain.payments.events import RefundRequested
from domain.shared.events import DomainEvent, Recorded
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.names import event_id
from infrastructure.event_store.postgres import open_pool
from infrastructure.mail.mailers import make_mailer
from infrastructure.mail.rendering import JinjaRenderer
from infrastructure.messaging.consuming import Consumers, Incoming, Terms, Unprocessable, Workflow
from infrastructure.messaging.history import PostgresHistory
from infrastructure.messaging.publisher import nats_url_of
from infrastructure.messaging.shelves import ShelvesInReadModel
from infrastructure.messaging.streams import DAFTAR, StreamNames
from infrastructure.settings import Settings
from projections.shared.reader import Reader

Policy = Callable[[Recorded], Sequence[Command]]
"""Whenever this happened, ask for that: pure."""


class RefundPostponed(Exception):
    """The provider gave no money back this time."""


EARNINGS: Final[tuple[type[DomainEvent], ...]] = (OrderDelivered,)
"""The facts that sellers earn by."""


def policy_workflow(
    name: str,
    events: Sequence[type[DomainEvent]],
    policies: Sequence[Policy],
    *,
    history: History,
    commands: Commands,
    names: StreamNames = DAFTAR,
) -> Workflow:
    """A workflow that submits the commands that follow from facts, as the system, one after the other.

    Asked again, the same commands come out: they must change nothing the second time.
    """

    async def handle(incoming: Incoming) -> None:
        recorded = await the_fact(history, incoming)
        caller = caused_by(recorded, incoming)
        for policy in policies:
            for command in policy(recorded):
                await commands.submit(command, caller)

    return Workflow(name=name, subjects=tuple(map(names.of_class, events)), handle=handle)


def notifications_workflow(post: PostOffice, *, history: History, names: StreamNames = DAFTAR) -> Workflow:
    """The workflow that sends mails."""

    async def handle(incoming: Incoming) -> None:
        past = await history.upto(incoming.stream_id, incoming.position)
        recorded = _if_it_is(past[-1] if past else None, incoming)
        try:
            await post.tell(
                past, incoming.event_id, caused_by(recorded, incoming), attempt=incoming.deliveries
            )
        except MailRefused as error:
            raise Unprocessable(f"{type(error).__name__}: {error}") from error

    return Workflow(name="notifications", subjects=tuple(map(names.of_class, MAILED)), handle=handle)


def earnings_workflow(*, history: History, commands: Commands, names: StreamNames = DAFTAR) -> Workflow:
    """The workflow that credits sellers for what was delivered."""
    return policy_workflow(
        "earnings", EARNINGS, (accrue_when_delivered,), history=history, commands=commands, names=names
    )


def refunds_workflow(desk: PaymentDesk, *, history: History, names: StreamNames = DAFTAR) -> Workflow:
    """The workflow that has providers give money back. A provider that is away is asked again a bounded number of times:
    unlike the log it may stay away for days, and must not hold up the refunds of all others meanwhile.
    """

    async def handle(incoming: Incoming) -> None:
        recorded = await the_fact(history, incoming)
        if isinstance(recorded.event, RefundRequested):
            try:
                await desk.carry_out_refund(recorded.stream_id, recorded.event.refund_id)
            except ProviderAway as error:
                raise RefundPostponed(f"{error.code}: {error.message}") from error

    return Workflow(name="refunds", subjects=(names.of_class(RefundRequested),), handle=handle)


def shelves_workflow(
    policy: ArchiveWhenAccountDeleted, *, history: History, names: StreamNames = DAFTAR
) -> Workflow:
    """The workflow that takes from the shelf what nobody sells any more, because their account was deleted."""

    async def handle(incoming: Incoming) -> None:
        recorded = await the_fact(history, incoming)
        await policy.follow(recorded, caused_by(recorded, incoming))

    return Workflow(name="shelves", subjects=tuple(map(names.of_class, ENDS)), handle=handle)


def clearing_workflow(clearing: ClearAway, *, history: History, names: StreamNames = DAFTAR) -> Workflow:
    """The workflow that takes pictures away which nobody shows any more. A store that is away is waited for."""

    async def handle(incoming: Incoming) -> None:
        recorded = await the_fact(history, incoming)
        await clearing.follow(recorded, caused_by(recorded, incoming))

    return Workflow(name="media", subjects=tuple(map(names.of_class, FOLLOWED)), handle=handle)


async def the_fact(history: History, incoming: Incoming) -> Recorded:
    """The event that a message is about, from the log.

    Raises:
        Unprocessable: the log has another event there, or none.
    """
    return _if_it_is(await history.at(incoming.position), incoming)


def _if_it_is(recorded: Recorded | None, incoming: Incoming) -> Recorded:
    if recorded is None or event_id(recorded.stream_id, recorded.version) != incoming.event_id:
        raise Unprocessable(f"The log has no event {incoming.event_id} at position {incoming.position}.")
    return recorded


def caused_by(recorded: Recorded, incoming: Incoming) -> Caller:
    """The system, on the occasion of an event."""
    return Caller(
        actor_kind=SYSTEM.actor_kind,
        role=SYSTEM.role,
        correlation_id=recorded.metadata.correlation_id if recorded.metadata is not None else None,
        causation_id=incoming.event_id,
        trace_id=recorded.metadata.trace_id if recorded.metadata is not None else None,
    )


class WorkflowContext(Protocol):
    """What the role needs of its process."""

    @property
    def settings(self) -> Settings:
        """The settings."""
        ...

    @property
    def codec(self) -> Codec:
        """Opens what the log holds."""
        ...

    @property
    def database_url(self) -> str:
        """Where the log is."""
        ...

    @property
    def commands(self) -> CommandLoop:
        """A running command loop."""
        ...

    @property
    def gateways(self) -> GatewayRegistry:
        """The payment providers that are switched on."""
        ...

    @property
    def files(self) -> Files:
        """The object store."""
        ...

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...


async def run_workflows(
    context: WorkflowContext,
    stopped: asyncio.Event,
    *,
    names: StreamNames = DAFTAR,
    terms: Terms | None = None,
    mailer: Mailer | None = None,
) -> None:
    """The role `workflows`. The mailer is the one that the settings choose, unless another is given.

    Raises:
        LookupError: NATS is not configured.
        MailNotConfigured: mail is not, or in a way that this version cannot send by.
        StoreUnavailable: the database could not be reached at the start.
    """
    settings = context.settings
    renderer = JinjaRenderer(settings.mail, settings.http)
    mailer = mailer or make_mailer(settings.mail, pause_seconds=settings.process.upstream_pause_seconds)
    nats_url = nats_url_of(settings)
    pool = await open_pool(
        context.database_url,
        min_size=1,
        max_size=4,
        name="daftar-workflows",
        statement_seconds=settings.database.statement_seconds,
    )
    try:
        history = PostgresHistory(pool, context.codec)
        post = PostOffice(
            commands=context.commands,
            renderer=renderer,
            mailer=mailer,
            clock=context.clock,
        )
        workflows = (
            notifications_workflow(post, history=history, names=names),
            earnings_workflow(history=history, commands=context.commands, names=names),
            refunds_workflow(PaymentDesk(context.gateways, context.commands), history=history, names=names),
            shelves_workflow(
                ArchiveWhenAccountDeleted(ShelvesInReadModel(Reader(pool)), context.commands),
                history=history,
                names=names,
            ),
            clearing_workflow(
                ClearAway(history=history, commands=context.commands, files=context.files),
                history=history,
                names=names,
            ),
        )
        await Consumers(workflows, nats_url=nats_url, names=names, terms=terms).run(stopped)
    finally:
        await pool.close()
