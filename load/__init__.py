"""Locust users and load shapes that follow a Firedrill load profile.

Locust loads `locustfile.py`, `shape.py` or `firedrill_plugin.py` by its path. Everything else is imported by its full name,
`firedrill_load...`, so that a module beside a user's locustfile can't be taken for one of these.
"""
