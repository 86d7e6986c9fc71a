"""What customers and staff see of payments."""
