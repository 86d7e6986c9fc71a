"""How influencers and salons find each other."""
