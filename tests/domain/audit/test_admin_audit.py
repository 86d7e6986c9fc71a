"""What staff look at is kept, and why; so is what they have made anew."""

from functools import partial
from uuid import UUID

import pytest

from domain.audit.admin_audit import LOG, AdminAudit, admin_audit_id, evolve
from domain.audit.events import AuditQuery, AuditReplayPerformed, ProjectionRebuildRequested
from domain.shared.reasons import ReasonInvalid
from tests.support.given import given

ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")
ORDER = UUID("01890000-0000-7000-8000-0000000000b1")
AUDIT = admin_audit_id(ADMIN)

given_audit = partial(given, evolve, stream_id=AUDIT)
searched = AuditReplayPerformed(target_type=LOG, query=AuditQuery(event="orders.OrderPlaced", limit=20))
rebuilt = ProjectionRebuildRequested(projection="customer_orders", from_position=0)


class TestLooking:
    def test_it_is_kept_at_what_and_why(self) -> None:
        look = AdminAudit.replay(
            target_type="order", target_id=ORDER, query=AuditQuery(version=2), reason=" A complaint "
        )
        assert look == [
            AuditReplayPerformed(
                target_type="order", target_id=ORDER, query=AuditQuery(version=2), reason="A complaint"
            )
        ]

    def test_no_reason_need_be_given(self) -> None:
        [look] = AdminAudit.replay(target_type=LOG, target_id=None, query=AuditQuery(), reason=None)
        assert isinstance(look, AuditReplayPerformed)
        assert look.reason is None

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 1001, "\x1b[2J"])
    def test_a_reason_that_cannot_be_read_is_none(self, reason: str) -> None:
        with pytest.raises(ReasonInvalid):
            AdminAudit.replay(target_type=LOG, target_id=None, query=AuditQuery(), reason=reason)


class TestRebuilding:
    def test_a_read_model_is_made_anew_from_the_first_event_on(self) -> None:
        assert AdminAudit.request_rebuild(projection="customer_orders", reason=None) == [rebuilt]

    def test_why_is_kept_in_words_that_can_be_read(self) -> None:
        with pytest.raises(ReasonInvalid):
            AdminAudit.request_rebuild(projection="customer_orders", reason=" ")


class TestTheStream:
    def test_it_is_one_for_each_of_the_staff(self) -> None:
        assert admin_audit_id(ADMIN) != ADMIN
        assert admin_audit_id(ADMIN) != admin_audit_id(ORDER)

    def test_however_much_somebody_looks_its_state_stays_small(self) -> None:
        audit = given_audit(*[searched] * 500, rebuilt).state
        assert audit == AdminAudit(audit_id=AUDIT, replays=500, rebuilds=1)
        assert audit.stream_id == AUDIT
