"""What follows from events behind the scenes: mails, refunds, earnings. Each once; how soon depends on who was killed."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from domain.accounts.events import AccountRegistered, SellerApproved
from domain.orders.events import OrderConfirmed, OrderShipped
from domain.shared.events import Recorded
from infrastructure.event_store.names import event_id
from tests.journeys.crash.book import Book, PromiseBroken
from tests.journeys.crash.history import History
from tests.journeys.crash.mails import MailFolder


def undone(history: History, mails: MailFolder, book: Book, *, before: datetime | None) -> list[str]:
    """What should have followed from what was recorded before a moment, and has not; of everything without a moment.

    Raises:
        PromiseBroken: something followed twice, or from nothing.
    """
    return [
        *_mails(history, mails, book, before),
        *_refunds(history, before),
        *_earnings(history, before),
    ]


def _mails(history: History, mails: MailFolder, book: Book, before: datetime | None) -> list[str]:
    expected = {
        event_id(recorded.stream_id, recorded.version): (recorded, *_wording(recorded, history, book))
        for recorded in history.mailed
    }
    found: dict[UUID, set[str]] = defaultdict(set)
    for mail in mails.copies:
        found[mail.event_id].add(mail.message_id)
        if mail.event_id in expected:
            _, to, subject = expected[mail.event_id]
            if mail.to != to or not mail.subject.startswith(subject):
                raise PromiseBroken(f"{mail} should say {subject!r} to {to}")
        elif before is None:  # Else it may be about an event that was recorded after we had read the log.
            raise PromiseBroken(f"{mail} is about an event that nobody is told of.")
    if twice := {each: ids for each, ids in found.items() if len(ids) > 1}:
        raise PromiseBroken(f"Events that were told of under several Message-IDs: {twice}")
    return [
        f"{to} was not told: {subject} (position {recorded.position})"
        for event, (recorded, to, subject) in expected.items()
        if event not in found and _is_due(recorded, before)
    ]


def _wording(recorded: Recorded, history: History, book: Book) -> tuple[str, str]:
    """To whom a mail about an event goes, and how its subject begins."""
    match recorded.event:
        case AccountRegistered():
            return book.people[str(recorded.stream_id)].email, "Welcome to"
        case SellerApproved():
            return book.people[str(recorded.stream_id)].email, "Your seller account is approved"
        case OrderConfirmed() | OrderShipped():
            order = history.order(recorded.stream_id)
            what = "is confirmed" if isinstance(recorded.event, OrderConfirmed) else "is on its way"
            return book.people[str(order.customer_id)].email, f"Order {order.order_number} {what}"
        case _:
            raise AssertionError(f"Nobody is told of {type(recorded.event).__name__}")


def _refunds(history: History, before: datetime | None) -> list[str]:
    if twice := [refund_id for refund_id, count in history.refunds_made.items() if count > 1]:
        raise PromiseBroken(f"Refunds made twice: {twice}")
    return [
        f"refund {refund_id} of payment {recorded.stream_id} is not made"
        for refund_id, recorded in history.refunds_requested.items()
        if not history.refunds_made[refund_id] and _is_due(recorded, before)
    ]


def _earnings(history: History, before: datetime | None) -> list[str]:
    due = {
        (recorded.stream_id, line.line_no): recorded
        for recorded in history.delivered
        for line in history.order(recorded.stream_id).lines
    }
    if wrong := [line for line, count in history.earned.items() if count > 1 or line not in due]:
        raise PromiseBroken(f"Lines that have earned twice, or were not delivered: {wrong}")
    return [
        f"line {line_no} of order {order_id} has earned nothing"
        for (order_id, line_no), recorded in due.items()
        if (order_id, line_no) not in history.earned and _is_due(recorded, before)
    ]


def _is_due(recorded: Recorded, before: datetime | None) -> bool:
    return before is None or recorded.recorded_at < before
