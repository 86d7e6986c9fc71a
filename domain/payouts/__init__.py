"""Payouts: what sellers earn, and what they are paid of it."""
