"""Prometheus's text format, written directly: at 1000 endpoints more than ten times as fast as through metric objects."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from firedrill.contract import LATENCY_BOUNDS_SECONDS, format_bound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.contract import Metric
    from locust_exporter.counting.latency_histogram import Ages

LES = tuple(format_bound(bound) for bound in (*LATENCY_BOUNDS_SECONDS, float("inf")))
"""The `le` of each bucket of a latency histogram."""


def header(metric: Metric) -> str:
    """The HELP and TYPE lines of a family."""
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"


@functools.lru_cache(maxsize=10_000)
def labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """`{method="GET",name="/"}`; nothing where there are no labels."""
    inner = ",".join(
        f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True)
    )
    return f"{{{inner}}}" if inner else ""


def sample(metric: Metric, key: tuple[str, ...], value: float) -> str:
    """A line of a counter or a gauge."""
    return f"{metric.name}{labels(metric.labels, key)} {value}\n"


def family(metric: Metric, samples: Mapping[Any, float | None]) -> str:
    """A counter's or gauge's lines by tuples of label values; a value of None is absent, and so is a family without values."""
    lines = [sample(metric, key, value) for key, value in samples.items() if value is not None]
    return header(metric) + "".join(lines) if lines else ""


def histogram(metric: Metric, ages: Ages) -> str:
    """The lines of a histogram without labels."""
    return header(metric) + histogram_form(metric, ()) % histogram_values(ages)


def histogram_form(metric: Metric, key: tuple[str, ...]) -> str:
    """A histogram's lines with `%s` for each value: to fill in a whole histogram at once is what a page has time for."""
    own = labels(metric.labels, key).replace("%", "%%")
    bucket = f"{metric.name}_bucket{own[:-1]}," if own else f"{metric.name}_bucket{{"
    buckets = "".join(f'{bucket}le="{le}"}} %s\n' for le in LES)
    return f"{buckets}{metric.name}_sum{own} %s\n{metric.name}_count{own} %s\n"


def histogram_values(ages: Ages) -> tuple[float, ...]:
    """What to fill in."""
    cumulative = ages.cumulative()
    return (*cumulative, ages.seconds, cumulative[-1])


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
