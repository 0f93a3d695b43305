"""What is done for CPUs alone."""
