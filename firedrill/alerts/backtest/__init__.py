"""`alerts backtest`: replay rules on a recorded run, and judge the firings against its causes.

Also sweeps of `for` and thresholds, warnings about what a backtest cannot see, and the tables.
"""
