"""What may be asked of stock."""
