"""Near-optimal plans: between what an indicator lies over all of them, and how different they can be."""
