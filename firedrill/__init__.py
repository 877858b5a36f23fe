"""Firedrill: load-test an API, and check that its metrics and alerts show what went wrong."""

__version__ = "0.1.0"
