"""Search spaces: domains, how they are sampled, and the files that build them."""
