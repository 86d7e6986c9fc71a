"""What may be asked about sellers' earnings."""
