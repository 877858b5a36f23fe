"""Prometheus exporter for Locust: `locust -f yours.py,exporters/locust_exporter/plugin.py`, or import `locust_exporter.plugin`.

Its public face is `locust_exporter.run_facts`; only `locust_exporter.plugin` and what it starts (`generator`, `worker`) import Locust.
"""
