"""Routes of sellers' earnings."""
