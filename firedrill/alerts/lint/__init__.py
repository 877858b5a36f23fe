"""Checks of rule files: mistakes, contradictions, and series that nobody exports."""
