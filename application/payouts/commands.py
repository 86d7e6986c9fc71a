"""Wishes about sellers' earnings."""

from uuid import UUID

from application.shared.command import Command


class AccrueEarnings(Command, frozen=True, kw_only=True):
    """Credit the sellers of a delivered order, each line once."""

    order_id: UUID
