"""Firedrill's drill."""
