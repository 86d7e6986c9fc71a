"""Use cases of accounts: registering, signing in and out, deciding on sellers."""
