"""Studies: a grid of runs, and what they say of formulations rather than of two runs."""
