"""A drill's scrape and evaluation interval, and the shortest window that it allows."""

SCRAPE_MS = 1_000
"""The scrape_interval and evaluation_interval of prometheus.yml, in a drill's time.

No rule that is shrunk is evaluated more often.
"""
SHORTEST_WINDOW_MS = 4 * SCRAPE_MS
"""rate() over fewer than four samples is noise, and one failed scrape would blind it."""
