"""Named ways to tune a model with few parameters: `table` says what there is, `building` does it.

Nothing is imported here: the table is read by the command line, which has no use for torch.
"""
