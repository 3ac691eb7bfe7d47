"""Pages of a run and of a comparison that work without a network."""
