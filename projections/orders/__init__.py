"""What customers, sellers and staff see of orders."""
