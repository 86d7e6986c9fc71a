"""The event store: one totally ordered, gap-free log in PostgreSQL (design §5, ADR 0002)."""
