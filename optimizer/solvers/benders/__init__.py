"""benders."""
