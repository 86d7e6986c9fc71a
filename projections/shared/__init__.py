"""The loop that feeds projections: rows and position in one transaction, rebuilt beside the old while it serves."""
