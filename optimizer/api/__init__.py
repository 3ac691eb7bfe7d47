"""What a user calls from Python: each function is one job from inputs to a result."""
