"""Rule files as data: YAML with line numbers, PromQL expressions, label templates, promtool.

Nothing here runs a Prometheus; only `promtool` starts a program.
"""
