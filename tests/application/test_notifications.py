"""Use cases of notifications, what is worth a mail, and the post office with a mailer that fails on request."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from application.notifications.commands import CreateNotification, RecordNotificationDispatched
from application.notifications.handlers import HANDLERS, KINDS
from application.notifications.policies import mail_for
from application.notifications.ports import Mail, MailFailed, MailNotAsked, Template, Words
from application.notifications.post import PostOffice, notification_id
from application.shared.caller import SYSTEM
from application.shared.command import Unavailable
from domain.accounts.events import SellerApproved, SellerRejected
from domain.notifications.events import (
    Channel,
    NotificationCreated,
    NotificationDispatched,
    NotificationFailed,
    NotificationType,
)
from domain.shared.errors import NotFound, NotPermitted
from domain.shared.events import DomainEvent, Recorded
from infrastructure.event_store.names import event_id
from infrastructure.identity import new_id
from tests.infrastructure.messaging.makers import confirmed, delivered, depleted, placed, registered, shipped
from tests.support.commands import NOON, Shop, admin, customer, shop

EMAIL = (Channel.EMAIL,)


def told(stream_id: UUID, *events: DomainEvent) -> list[Recorded]:
    """A stream as the log holds it."""
    return [
        Recorded(position=n, stream_id=stream_id, version=n, event=event, recorded_at=NOON)
        for n, event in enumerate(events, 1)
    ]


def create(recipient: UUID, notification: UUID) -> CreateNotification:
    return CreateNotification(
        notification_id=notification,
        recipient_id=recipient,
        type=NotificationType.SYSTEM,
        title="Welcome",
        data={},
        channels=EMAIL,
    )


class TestCommands:
    async def test_asking_twice_creates_one_notification(self) -> None:
        async with shop(HANDLERS, KINDS) as market:
            command = create(new_id(), new_id())
            assert len(await market.events_of(command)) == 1
            assert await market.events_of(command) == []

    @pytest.mark.parametrize("caller", [customer(new_id()), admin(new_id())])
    async def test_nobody_but_the_house_itself_creates_one(self, caller: object) -> None:
        async with shop(HANDLERS, KINDS) as market:
            with pytest.raises(NotPermitted):
                await market.ask(create(new_id(), new_id()), caller)  # type: ignore[arg-type]

    async def test_what_was_never_created_has_not_left(self) -> None:
        async with shop(HANDLERS, KINDS) as market:
            with pytest.raises(NotFound):
                await market.ask(
                    RecordNotificationDispatched(notification_id=new_id(), channel=Channel.EMAIL)
                )


class TestWhatIsWorthAMail:
    def test_a_paid_order_is_confirmed_to_its_customer(self) -> None:
        order = placed()
        history = told(new_id(), order, confirmed())
        wanted = mail_for(history[-1], history)
        assert wanted is not None
        assert wanted.template is Template.ORDER_CONFIRMATION
        assert wanted.recipient_id == order.customer_id
        assert wanted.to == "dilnoza@example.com"
        assert wanted.variables["orderNumber"] == order.order_number
        assert wanted.data == {"order_id": str(history[0].stream_id)}
        assert "Dilnoza" not in wanted.title + repr(wanted)

    @pytest.mark.parametrize(
        ("event", "template"),
        [
            (registered(), Template.WELCOME),
            (SellerApproved(approved_by=new_id()), Template.SELLER_APPROVED),
            (SellerRejected(rejected_by=new_id(), reason="No licence"), Template.SELLER_REJECTED),
        ],
    )
    def test_an_account_is_told_what_becomes_of_it(self, event: DomainEvent, template: Template) -> None:
        history = told(new_id(), registered(), event)
        wanted = mail_for(history[-1], history)
        assert wanted is not None
        assert wanted.template is template
        assert wanted.recipient_id == history[0].stream_id

    @pytest.mark.parametrize("event", [placed(), delivered(), depleted()])
    def test_other_facts_are_worth_none(self, event: DomainEvent) -> None:
        history = told(new_id(), event)
        assert mail_for(history[-1], history) is None

    def test_who_has_no_address_any_more_gets_none(self) -> None:
        for events in (
            [registered(email=None, phone="+998901234567")],
            [placed(customer_email=None), shipped()],
        ):
            history = told(new_id(), *events)
            assert mail_for(history[-1], history) is None


class Pigeon:
    """A mailer that fails as often as it is told, then keeps what it gets."""

    def __init__(self, failures: int = 0, failure: Exception | None = None) -> None:
        self.failures = failures
        self.failure = failure or MailFailed("The pigeon is tired.")
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> str | None:
        if self.failures:
            self.failures -= 1
            raise self.failure
        self.sent.append(mail)
        return "by pigeon"

    async def check(self) -> None:
        """Always there."""


class Plain:
    """Renders the name of the template."""

    def render(self, template: Template, variables: Mapping[str, object]) -> Words:
        return Words(subject=template.value, text="", html="")


def post_office(market: Shop, mailer: Pigeon) -> PostOffice:
    return PostOffice(
        commands=market.loop,
        renderer=Plain(),
        mailer=mailer,
        clock=market.clock,
    )


class TestThePostOffice:
    async def test_a_mail_leaves_once_however_often_it_is_asked_for(self) -> None:
        history = told(new_id(), placed(), confirmed())
        cause = event_id(history[-1].stream_id, 2)
        async with shop(HANDLERS, KINDS) as market:
            pigeon = Pigeon()
            post = post_office(market, pigeon)
            for attempt in (1, 2):
                await post.tell(history, cause, SYSTEM, attempt=attempt)
            assert [mail.message_id for mail in pigeon.sent] == [f"{cause}.order-confirmation"]
            assert [type(event) for event in market.store.events()] == [
                NotificationCreated,
                NotificationDispatched,
            ]
            (left,) = market.store.events(NotificationDispatched)
            assert left == NotificationDispatched(
                channel=Channel.EMAIL, template="order-confirmation", provider_message_id="by pigeon"
            )
            assert notification_id(cause, "order-confirmation") in market.store.streams

    async def test_each_failed_attempt_is_recorded_and_told(self) -> None:
        history = told(new_id(), registered())
        cause = event_id(history[-1].stream_id, 1)
        async with shop(HANDLERS, KINDS) as market:
            pigeon = Pigeon(failures=2)
            post = post_office(market, pigeon)
            for attempt in (1, 2):
                with pytest.raises(MailFailed):
                    await post.tell(history, cause, SYSTEM, attempt=attempt)
            await post.tell(history, cause, SYSTEM, attempt=3)
            assert market.store.events(NotificationFailed) == [
                NotificationFailed(
                    channel=Channel.EMAIL, reason="MailFailed: The pigeon is tired.", attempt=attempt
                )
                for attempt in (1, 2)
            ]
            assert len(pigeon.sent) == 1

    async def test_a_way_out_that_is_left_alone_for_now_costs_no_attempt(self) -> None:
        history = told(new_id(), registered())
        cause = event_id(history[-1].stream_id, 1)
        async with shop(HANDLERS, KINDS) as market:
            pigeon = Pigeon(1, MailNotAsked("The pigeons rest."))
            post = post_office(market, pigeon)
            with pytest.raises(Unavailable):  # which a workflow waits for, with the message in hand
                await post.tell(history, cause, SYSTEM, attempt=1)
            await post.tell(history, cause, SYSTEM, attempt=1)
            assert market.store.events(NotificationFailed) == []
            assert len(pigeon.sent) == 1

    async def test_a_fact_that_is_worth_none_leaves_no_trace(self) -> None:
        history = told(new_id(), placed())
        async with shop(HANDLERS, KINDS) as market:
            pigeon = Pigeon()
            assert await post_office(market, pigeon).tell(history, new_id(), SYSTEM, attempt=1) is None
            assert market.store.events() == []
            assert pigeon.sent == []
