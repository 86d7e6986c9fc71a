"""Read models of API keys."""
