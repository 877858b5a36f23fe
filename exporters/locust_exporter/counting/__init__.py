"""Counts of requests, arrivals and what is in flight, in each process of a test."""
