"""Passwords, tokens, sealed data and secrets."""
