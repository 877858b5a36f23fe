"""The receiver at the end of the alerting chain: it records what would have reached whom, and when. Standard library only."""
