"""Media: files that people have sent, and that lie in the object store."""
