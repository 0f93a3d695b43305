"""Servers as scorers: their names, their formats, and how they are asked."""
