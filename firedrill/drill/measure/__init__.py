"""Measuring a run: figures from Prometheus, the history of its alerts, notifications."""
