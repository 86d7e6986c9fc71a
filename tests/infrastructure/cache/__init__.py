"""Redis, real ones, there and away."""
