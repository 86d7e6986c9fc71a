"""Mail: the words, filled into templates, and the ways out."""
