"""What a caller may ask for: commands, their handlers, and the loop that runs them."""
