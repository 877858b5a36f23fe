"""The kinds of fault that an API can be given, each with its unit and its largest size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault of the example API: unit and largest value of its size in /faults."""

    unit: str | None
    """None for a fault without a size."""
    largest: float
    whole: bool = False


FAULT_KINDS = {
    "latency": FaultKind("seconds", 60.0),
    "errors": FaultKind("ratio", 1.0),
    "cpu": FaultKind("cores", 16.0),
    "stuck": FaultKind("workers", 1000, whole=True),
    "memory": FaultKind("bytes_per_second", 100e6),
    "stop": FaultKind(None, 1),
}
"""Every kind of fault, by the value of the label `fault`."""

FAULT_LONGEST_SECONDS = 3600.0
"""Longest duration of a fault; every fault ends by itself."""
