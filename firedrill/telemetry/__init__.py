"""The server side of the golden signals, for an application of any framework: `instrument(app)`.

`firedrill.telemetry.middleware` measures requests. `firedrill.telemetry.servers` adds what only the
server knows (queue, workers, limits).
"""

from firedrill.telemetry.instrumentation import Telemetry, instrument

__all__ = ["Telemetry", "instrument"]
