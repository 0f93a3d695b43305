"""Whole jobs as functions, for the command line and for notebooks: evaluate, and the demo."""
