"""Firedrill's alerts."""
