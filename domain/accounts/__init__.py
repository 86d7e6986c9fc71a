"""Accounts: who people are here, what their role lets them do, and the sessions in which they act."""
