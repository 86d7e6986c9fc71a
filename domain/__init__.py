"""What the business decides: events, states, decisions and refusals, with no I/O, clock or randomness."""
