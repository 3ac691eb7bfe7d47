"""What the model gives beside published results, and beside optima that are known."""
