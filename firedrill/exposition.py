"""Prometheus' text format and OpenMetrics, rendered from the contract: help, type, labels and the spelling of `le`.

Both say the same. OpenMetrics calls a counter's family by its name without `_total`, has exemplars, and ends with a mark.
"""

from __future__ import annotations

from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING

from firedrill.contract import Metric, format_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from firedrill.telemetry.shared_cells import Exemplar

    Sample = tuple[tuple[str, ...], Sequence[float]]
    """Label values, and the numbers: one, or a histogram's buckets (not cumulative) and its sum."""
    Exemplars = Mapping[tuple[str, tuple[str, ...]], Sequence[Exemplar | None]]
    """By family and label values: one for each bucket."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def render(families: Iterable[Metric], samples: Mapping[str, Sequence[Sample]]) -> bytes:
    """The page: every family that has a sample, in the order given; a family without one is absent, never 0."""
    return "".join(
        line
        for metric in families
        if metric.name in samples
        for line in _family(metric, metric.name, samples[metric.name], {})
    ).encode()


def render_openmetrics(
    families: Iterable[Metric], samples: Mapping[str, Sequence[Sample]], exemplars: Exemplars
) -> bytes:
    """The same page as OpenMetrics 1.0, with the exemplars there are."""
    lines = (
        line
        for metric in families
        if metric.name in samples
        for line in _family(
            metric, metric.name.removesuffix("_total"), samples[metric.name], exemplars
        )
    )
    return "".join((*lines, "# EOF\n")).encode()


def _family(
    metric: Metric, name: str, series: Sequence[Sample], exemplars: Exemplars
) -> Iterable[str]:
    yield f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"
    for values, cells in series:
        labels = ",".join(
            f'{name}="{value.translate(_ESCAPES)}"'
            for name, value in zip(metric.labels, values, strict=True)
        )
        if metric.kind == "histogram":
            yield from _histogram(metric, labels, cells, exemplars.get((metric.name, values), ()))
        else:
            yield f"{metric.name}{_braces(labels)} {cells[0]!r}\n"


def _histogram(
    metric: Metric, labels: str, cells: Sequence[float], exemplars: Sequence[Exemplar | None]
) -> Iterable[str]:
    *buckets, total = cells
    prefix = f"{labels}," if labels else ""
    cumulative = list(accumulate(buckets))
    # A new series is shown at 0 once, and then it has no request to show either.
    for bound, count, exemplar in zip_longest(
        (*metric.bounds, float("inf")), cumulative, exemplars
    ):
        yield f'{metric.name}_bucket{{{prefix}le="{format_bound(bound)}"}} {count!r}{_mark(exemplar) if count else ""}\n'
    yield f"{metric.name}_sum{_braces(labels)} {total!r}\n{metric.name}_count{_braces(labels)} {cumulative[-1]!r}\n"


def _mark(exemplar: Exemplar | None) -> str:
    return (
        f' # {{trace_id="{exemplar.trace_id}"}} {exemplar.value!r} {exemplar.timestamp:.3f}'
        if exemplar
        else ""
    )


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""
