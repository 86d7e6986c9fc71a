"""What may be asked about media."""
