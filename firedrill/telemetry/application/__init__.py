"""An application of several processes: which processes belong together, and their sums."""
