"""From questions to predictions: loading a scorer, batches, and going on after a stop."""
