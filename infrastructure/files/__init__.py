"""Files: the object store, and what is done to pictures before they get there."""
