"""Use cases of categories."""
