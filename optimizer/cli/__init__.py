"""The command line `edwc`: options and printing; what a command does is a function of `optimizer.api`."""
