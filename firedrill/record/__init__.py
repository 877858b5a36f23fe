"""A recorded run on disk: its folder, its run.json, and the limits of its figures."""
