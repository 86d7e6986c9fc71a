"""Routes by which influencers and salons find each other."""
