"""The mathematics: vocabulary, equations, and their compilation into a matrix or a Pyomo model."""
