"""Prometheus' text format, rendered from the contract: help, type, labels and the spelling of `le`."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from firedrill.contract import Metric, format_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Sample = tuple[tuple[str, ...], Sequence[float]]
    """Label values, and the numbers: one, or a histogram's buckets (not cumulative) and its sum."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def render(families: Iterable[Metric], samples: Mapping[str, Sequence[Sample]]) -> bytes:
    """The page: every family that has a sample, in the order given; a family without one is absent, never 0."""
    return "".join(line for metric in families if metric.name in samples for line in _family(metric, samples[metric.name])).encode()


def _family(metric: Metric, series: Sequence[Sample]) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
    for values, cells in series:
        labels = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(metric.labels, values, strict=True))
        if metric.kind == "histogram":
            yield from _histogram(metric, labels, cells)
        else:
            yield f"{metric.name}{_braces(labels)} {cells[0]!r}\n"


def _histogram(metric: Metric, labels: str, cells: Sequence[float]) -> Iterable[str]:
    *buckets, total = cells
    prefix = f"{labels}," if labels else ""
    cumulative = list(accumulate(buckets))
    for bound, count in zip((*metric.bounds, float("inf")), cumulative, strict=True):
        yield f'{metric.name}_bucket{{{prefix}le="{format_bound(bound)}"}} {count!r}\n'
    yield f"{metric.name}_sum{_braces(labels)} {total!r}\n{metric.name}_count{_braces(labels)} {cumulative[-1]!r}\n"


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""
