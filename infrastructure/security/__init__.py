"""Passwords, tokens, sealed data, and the secrets that they stand on."""
