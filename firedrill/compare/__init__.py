"""Comparison of groups of runs that knows chance: intervals, and a test over the runs."""
