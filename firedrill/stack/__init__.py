"""The embedded stack: the parts as child processes on loopback, without Docker."""
