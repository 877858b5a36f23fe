"""A run on disk: its folder and the figures in its run.json."""
