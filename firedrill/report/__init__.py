"""The report: one HTML file over a run, or over several side by side, that opens anywhere without a network."""
