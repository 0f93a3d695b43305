"""Heads for scoring the options of a question with a decoder: tensors only, no `mcqa`."""
