"""Prometheus exporter for Locust."""
