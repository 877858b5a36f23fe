"""Locust users and load shapes that follow a Firedrill load profile.

Locust loads `locustfile.py`, `shape.py` or `firedrill_plugin.py` by its path. Everything else is
imported by its full name, `firedrill_load...`, so that no module beside a user's locustfile is
taken for one of these.
"""
