"""Use cases of API keys: issuing and revoking them, and finding out what their bearer may do."""
