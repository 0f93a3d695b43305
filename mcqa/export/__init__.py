"""What leaves the house: runs merged into plain folders, runs on the Hub."""
