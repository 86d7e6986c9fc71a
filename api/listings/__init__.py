"""Routes of listings: the catalogue for everybody, the shelf for its sellers."""
