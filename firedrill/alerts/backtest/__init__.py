"""Backtests: rules replayed on a recorded run, thresholds swept, firings attributed to causes, warnings and tables."""
