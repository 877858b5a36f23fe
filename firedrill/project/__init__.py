"""A user's project: its firedrill.toml, its application, and the first files of its load test."""
