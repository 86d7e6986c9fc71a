"""Figures of the whole marketplace and of single sellers, day by day."""
