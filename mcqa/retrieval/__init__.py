"""Passages to read before a question: where they are from, how they are found, who may see them."""
