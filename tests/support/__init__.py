"""What tests share: given-when-then, the in-memory event store, makers, stand-in providers."""
