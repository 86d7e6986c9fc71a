"""Routes of media."""
