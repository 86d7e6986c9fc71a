"""Routes for those who look after the log and its read models."""
