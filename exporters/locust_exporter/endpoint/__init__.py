"""The metrics endpoint that Prometheus scrapes: its metric families and its HTTP server."""
