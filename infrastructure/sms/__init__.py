"""Text messages: providers that take them, and a folder for those who develop."""
