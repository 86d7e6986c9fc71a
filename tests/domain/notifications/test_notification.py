"""What may happen to a notification."""

from functools import partial
from typing import Any

from hypothesis import given as any_of
from hypothesis import strategies as st

from domain.notifications.events import (
    Channel,
    NotificationCreated,
    NotificationDispatched,
    NotificationFailed,
    NotificationType,
)
from domain.notifications.notification import ChannelNotChosen, ChannelsMissing, Notification, evolve
from infrastructure.identity import new_id
from tests.support.given import fold, given

RECIPIENT = new_id()
created = NotificationCreated(
    recipient_id=RECIPIENT,
    type=NotificationType.ORDER_STATUS,
    title="Order ORD-1 is confirmed",
    data={"order_id": "1"},
    channels=(Channel.EMAIL,),
)
dispatched = NotificationDispatched(
    channel=Channel.EMAIL, template="order-confirmation", provider_message_id="m"
)
failed = NotificationFailed(channel=Channel.EMAIL, reason="MailFailed", attempt=1)

given_notification = partial(given, evolve)
dispatch = partial(
    Notification.dispatch, channel=Channel.EMAIL, template="order-confirmation", provider_message_id="m"
)
fail = partial(Notification.fail, channel=Channel.EMAIL, reason="MailFailed", attempt=1)


def create(_: Any, *, channels: tuple[Channel, ...]) -> Any:
    return Notification.create(
        recipient_id=RECIPIENT,
        type=NotificationType.ORDER_STATUS,
        title="Order ORD-1 is confirmed",
        body=None,
        data={"order_id": "1"},
        channels=channels,
    )


class TestCreating:
    def test_somebody_is_to_be_told(self) -> None:
        given_notification().when(create, channels=(Channel.EMAIL,)).then(created)

    def test_without_a_channel_nobody_is_told(self) -> None:
        given_notification().when(create, channels=()).refused(ChannelsMissing)

    def test_nobody_is_told_twice_over_one_channel(self) -> None:
        given_notification().when(create, channels=(Channel.SMS, Channel.SMS)).refused(ChannelsMissing)


class TestLeaving:
    def test_it_leaves(self) -> None:
        given_notification(created).when(dispatch).then(dispatched)

    def test_it_leaves_after_failures(self) -> None:
        given_notification(created, failed, failed).when(dispatch).then(dispatched)

    def test_leaving_twice_is_leaving_once(self) -> None:
        given_notification(created, dispatched).when(dispatch).then()

    def test_a_failed_attempt_is_kept(self) -> None:
        given_notification(created, failed).when(fail).then(failed)

    def test_after_it_has_left_a_failure_says_nothing(self) -> None:
        given_notification(created, dispatched).when(fail).then()

    def test_it_leaves_over_no_channel_that_was_not_chosen(self) -> None:
        given_notification(created).when(dispatch, channel=Channel.SMS).refused(ChannelNotChosen)
        given_notification(created).when(fail, channel=Channel.SMS).refused(ChannelNotChosen)


@any_of(st.lists(st.tuples(st.booleans(), st.sampled_from([Channel.EMAIL, Channel.REALTIME])), max_size=20))
def test_whatever_is_asked_it_leaves_at_most_once_over_each_channel(
    asked: list[tuple[bool, Channel]],
) -> None:
    history: list[Any] = [
        NotificationCreated(
            recipient_id=RECIPIENT,
            type=NotificationType.SYSTEM,
            title="t",
            data={},
            channels=(Channel.EMAIL, Channel.REALTIME),
        )
    ]
    for leaves, channel in asked:
        state: Notification = fold(evolve, history)
        history += (
            state.dispatch(channel=channel, template=None, provider_message_id=None)
            if leaves
            else state.fail(channel=channel, reason="r", attempt=1)
        )
    left = [event.channel for event in history if isinstance(event, NotificationDispatched)]
    assert len(left) == len(set(left))
    assert set(left) == {channel for leaves, channel in asked if leaves}
