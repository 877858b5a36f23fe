"""Production rules and routing shrunk to a drill, and recorded time stretched to production."""
