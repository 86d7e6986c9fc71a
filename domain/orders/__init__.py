"""Orders: what a customer committed to buy, and how far it has come."""
