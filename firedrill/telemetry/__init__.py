"""The server side of the golden signals, for any Flask application: `instrument(app)`.

`firedrill.telemetry.servers` adds what only the server knows (queue, workers, limits). It is a
separate import because it needs waitress.
"""

from firedrill.telemetry.instrumentation import Telemetry, instrument

__all__ = ["Telemetry", "instrument"]
