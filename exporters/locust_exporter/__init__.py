"""Prometheus exporter for Locust: `locust -f yours.py,exporters/locust_exporter/plugin.py`, or import `locust_exporter.plugin`.

Its public face is `locust_exporter.profile_info`; only `locust_exporter.plugin` and what it starts (`generator`, `worker`) import Locust.
"""
