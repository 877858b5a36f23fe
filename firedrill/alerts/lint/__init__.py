"""`alerts check`: mistakes and contradictions in rule files, and series that nobody exports."""
