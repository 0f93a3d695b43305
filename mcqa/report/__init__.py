"""The report of an evaluation: a self-contained HTML page, Markdown, plots, numbers for people."""
