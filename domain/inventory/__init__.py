"""Stock: how many of a listing there are, and how many of those are promised to orders."""
