"""API keys: by which programs act for an account, within bounds that its owner sets."""
