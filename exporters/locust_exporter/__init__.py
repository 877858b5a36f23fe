"""Prometheus exporter for Locust.

Use it as `locust -f yours.py,exporters/locust_exporter/plugin.py`, or import
`locust_exporter.plugin` in a locustfile. Only `plugin`, `generator` and `worker` import Locust;
`profile_info` is where a load profile announces itself.
"""
