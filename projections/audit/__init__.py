"""Read models for those who look after the marketplace itself."""
