"""Prometheus's text format, written directly: at 1000 endpoints more than ten times as fast as through metric objects."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from firedrill.contract import LATENCY_BOUNDS_SECONDS, format_bound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.contract import Metric
    from locust_exporter.ages import Ages

LES = tuple(format_bound(bound) for bound in (*LATENCY_BOUNDS_SECONDS, float("inf")))
"""The `le` of each bucket of a latency histogram."""


def header(metric: Metric) -> str:
    """The HELP and TYPE lines of a family."""
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"


@functools.lru_cache(maxsize=10_000)
def labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """`{method="GET",name="/"}`; nothing where there are no labels."""
    inner = ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{inner}}}" if inner else ""


def family(metric: Metric, samples: Mapping[Any, float | None]) -> str:
    """A counter's or gauge's lines by tuples of label values; a value of None is absent, and so is a family without values."""
    lines = [f"{metric.name}{labels(metric.labels, key)} {value}\n" for key, value in samples.items() if value is not None]
    return header(metric) + "".join(lines) if lines else ""


def histogram(metric: Metric, samples: Mapping[Any, Ages]) -> str:
    """A histogram's lines by tuples of label values; absent without any."""
    return header(metric) + "".join(_series(metric, *sample) for sample in samples.items()) if samples else ""


def _series(metric: Metric, key: tuple[str, ...], ages: Ages) -> str:
    own, cumulative = labels(metric.labels, key), ages.cumulative()
    bucket = f"{metric.name}_bucket{own[:-1]}," if own else f"{metric.name}_bucket{{"
    buckets = [f'{bucket}le="{le}"}} {count}\n' for le, count in zip(LES, cumulative, strict=True)]
    return f"{''.join(buckets)}{metric.name}_sum{own} {ages.seconds}\n{metric.name}_count{own} {cumulative[-1]}\n"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
