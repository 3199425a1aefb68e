"""Who the people of an installation are, how they prove it, and what they may."""
