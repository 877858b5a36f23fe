"""Firedrill: set your API on fire on purpose, and see whether you would have noticed."""

__version__ = "0.1.0"
