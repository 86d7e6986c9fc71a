"""How others are asked over the network: in a bounded time, and not at all while they do not answer."""
