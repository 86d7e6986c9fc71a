"""How the outside world is reached: the event store, the broker, caches, files, mail and providers."""
