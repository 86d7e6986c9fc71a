"""Use cases of one-time codes: asking for one, and showing it."""
