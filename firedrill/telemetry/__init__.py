"""Firedrill's telemetry."""
