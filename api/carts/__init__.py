"""Routes of carts."""
