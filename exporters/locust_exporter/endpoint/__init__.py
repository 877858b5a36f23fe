"""The metrics endpoint of the master or only process: its families and its HTTP server."""
