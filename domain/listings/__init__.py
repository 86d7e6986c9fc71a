"""Listings: what is for sale, by whom, at which price."""
