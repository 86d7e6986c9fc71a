"""Routes of payments and refunds."""
