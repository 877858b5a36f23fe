"""The metrics endpoint: what the master or the only process exports, as text, and the HTTP server that Prometheus scrapes."""
