"""Proof of everything that the product promises."""
