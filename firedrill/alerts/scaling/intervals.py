"""How often a drill's Prometheus scrapes and evaluates, and what follows from it for rules. A leaf."""

SCRAPE_MS = 1_000
"""prometheus.yml's scrape_interval, and its evaluation_interval, in a drill's time. Nothing that is shrunk is evaluated more often."""
SHORTEST_WINDOW_MS = 4 * SCRAPE_MS
"""rate() over fewer than four samples is noise, and one failed scrape would blind it."""
