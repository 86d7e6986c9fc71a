"""What may be asked of orders."""
