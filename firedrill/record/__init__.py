"""A recorded run on disk: its folder, the figures of its run.json, and the limits they are judged by."""
