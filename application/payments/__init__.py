"""What may be asked of payments."""
