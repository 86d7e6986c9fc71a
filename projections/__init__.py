"""What a screen shows: one module for each read model with its table, its projector and its queries."""
