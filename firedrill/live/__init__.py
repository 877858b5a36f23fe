"""The live page: what a load test does now, on a page of 127.0.0.1 that needs no Grafana."""
