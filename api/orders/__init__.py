"""Routes of orders: the buyer's, the seller's and staff's."""
