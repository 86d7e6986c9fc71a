"""What sellers see of their earnings."""
