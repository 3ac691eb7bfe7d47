"""Placement of inference workloads: assemble a problem, solve it, prove the plan, store and export it."""
