"""Schemathesis against the product: everything that the served OpenAPI document allows, and what it forbids."""
