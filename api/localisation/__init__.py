"""What people read of an answer, in their own language (requirements API-14)."""
