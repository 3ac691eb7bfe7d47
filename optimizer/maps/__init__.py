"""Drawn maps of a run and of the difference of two runs."""
