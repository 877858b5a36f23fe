"""Prometheus from outside: its HTTP API, remote read and write, and a server over recorded data."""
