"""Passages to read before a question: where they come from, how they are found, who may see them.

`corpus` reads passages, `index` finds them by BM25, `contexts` decides what a question gets.
"""
