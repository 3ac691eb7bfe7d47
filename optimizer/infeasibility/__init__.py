"""infeasibility."""
