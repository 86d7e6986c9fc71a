"""How people and programs ask: over HTTP and on the command line."""
