"""Show recorded runs at the terminal: one run, several side by side, the list of runs, the fault matrix."""
