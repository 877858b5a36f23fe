"""Rule files as data: reading and rewriting YAML, PromQL expressions, label templates, promtool and routing."""
