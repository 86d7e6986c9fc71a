"""Categories: the shelves of the marketplace, and which listings stand on them."""
