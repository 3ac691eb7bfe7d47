"""Networks that other programs stored, as a network folder of ours: readers of their formats, and what is assumed."""
