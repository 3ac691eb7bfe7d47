"""What a plan's limits, tokens and placements cost at the margin."""
