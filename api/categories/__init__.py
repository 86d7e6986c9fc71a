"""Routes of categories."""
