"""Reports: one HTML file about a run, or about several side by side, that needs no network."""
