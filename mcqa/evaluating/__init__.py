"""An evaluation: score, store, describe, compare, and draw the report."""
