"""Facts about what sellers earn. One ledger a seller and currency (requirements OUT-02, REF-04)."""

from typing import TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent
from domain.shared.money import Money


class EarningAccrued(DomainEvent, frozen=True, kw_only=True):
    """A delivered order line earned its seller `net`: `gross` less the house's `commission`.

    `commission_rate` is in basis points, as it was frozen on the line when the order was placed.
    """

    seller_id: UUID
    order_id: UUID
    line_no: int
    gross: Money
    commission: Money
    commission_rate: int
    net: Money


class EarningReversed(DomainEvent, frozen=True, kw_only=True):
    """Some or all of what an order line had earned is taken back, the commission with it, for a refund."""

    seller_id: UUID
    order_id: UUID
    line_no: int
    gross: Money
    commission: Money
    net: Money
    refund_id: UUID | None = None


SellerLedgerEvent: TypeAlias = EarningAccrued | EarningReversed
