"""Uncertain inputs: their ranges, samples of them, and what the plans of the samples say together."""
