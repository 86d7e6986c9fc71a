"""Versioned changes of the write side's schema. Read models bring their own tables (projections.shared)."""
