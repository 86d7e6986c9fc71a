"""What staff looked at in the log, and what they had made anew."""
