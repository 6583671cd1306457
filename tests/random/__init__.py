"""Random small machines: one text for each seed, which everything that reads it reads alike."""
