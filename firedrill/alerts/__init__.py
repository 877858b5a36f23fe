"""Alert rules: read them, check them, scale them to a drill, and replay them over recorded runs.

Parts import downwards only: `backtest`, then `replay` and `lint`, then `scaling`, then `rules`.
"""
