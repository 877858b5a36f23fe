"""The worked example: a small Flask API on firedrill.telemetry."""
