"""Counts of requests and arrivals, and of what is in flight, kept in each process and reported by workers to their master."""
