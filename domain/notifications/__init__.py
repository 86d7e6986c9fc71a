"""Notifications: what people were told, over which channel, and whether it left."""
