"""Telling people: what is worth a mail, and how it leaves."""
