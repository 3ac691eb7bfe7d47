"""The jobs of the project as functions of Python: what `import edwc` hands out, and what the command line calls."""
