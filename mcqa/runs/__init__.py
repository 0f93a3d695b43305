"""What a run folder is: written, read, described, merged."""
