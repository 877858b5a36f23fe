"""The diagnosis of a run: which stage limits it, why, and which setting would carry the load.

- `evidence`: the time series and figures that a diagnosis reads.
- `stages`: when each stage was saturated; one definition for all of them.
- `bottleneck`: the deepest saturated stage, its consequences, and the next limits.
- `queueing`: formulas of queueing theory.
- `sizing`: settings that carry the offered load, with their derivation.
- `workload_simulation`, `prediction`: the figures to expect with these settings.
- `diagnose`: all of it together, in words.

Nothing here does I/O or knows a stack.
"""
