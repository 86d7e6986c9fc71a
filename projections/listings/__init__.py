"""What is read about listings: the catalogue, its search, and each listing in full."""
