"""Production rules shrunk to a drill, and recorded time stretched to production scale."""
