"""What a command needs of the machine: files, locks, processes, workers, memory, threads."""
