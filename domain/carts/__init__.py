"""Carts: what a customer means to buy."""
