"""What is read about categories."""
