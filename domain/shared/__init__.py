"""The few words that every context shares: money, events, refusals, claims and personal data."""
