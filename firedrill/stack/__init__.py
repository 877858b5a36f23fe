"""Firedrill's stack."""
