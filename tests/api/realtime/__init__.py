"""The real-time channel."""
