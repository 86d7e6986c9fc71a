"""Payments: one attempt to move money for one order, and what was given back of it."""
