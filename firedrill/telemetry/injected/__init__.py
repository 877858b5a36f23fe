"""The folder that `firedrill run --serve` and `firedrill-instrument` put on PYTHONPATH."""
