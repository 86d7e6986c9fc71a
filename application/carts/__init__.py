"""What may be asked of carts."""
