"""Show recorded runs at the terminal: one, several side by side, a list, a fault matrix."""
