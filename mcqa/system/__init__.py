"""What a command asks of the machine: files, locks, processes, workers, memory, threads."""
