"""Routes of figures: what the house and its sellers sold."""
