"""Prometheus's text format and OpenMetrics, written from the metrics of the contract.

Both exporters write through this module. It builds text directly, because at 1000 endpoints that
takes less than a tenth of what metric objects take. It imports the contract only.
"""

from __future__ import annotations

import functools
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from firedrill.contract import format_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from firedrill.contract import Metric

    Sample = tuple[tuple[str, ...], Sequence[float]]
    """Label values and numbers: one number, or a histogram's counts by bucket and its sum."""
    Exemplars = Mapping[tuple[str, tuple[str, ...]], Sequence["Exemplar | None"]]
    """Exemplars by family and label values, one for each bucket."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exemplar(NamedTuple):
    """A request that fell into a bucket: its trace, its value and its Unix time."""

    trace_id: str
    value: float
    timestamp: float


def render(families: Iterable[Metric], samples: Mapping[str, Sequence[Sample]]) -> bytes:
    """Return the text format of these families; a family without samples is absent."""
    return "".join(
        header(metric) + "".join(_series(metric, *sample, ()) for sample in samples[metric.name])
        for metric in families
        if metric.name in samples
    ).encode()


def render_openmetrics(
    families: Iterable[Metric], samples: Mapping[str, Sequence[Sample]], exemplars: Exemplars
) -> bytes:
    """Return the same families as OpenMetrics 1.0, with the exemplars there are.

    OpenMetrics names a counter's family without `_total` and ends with `# EOF`.
    """
    text = "".join(
        header(metric, metric.name.removesuffix("_total"))
        + "".join(
            _series(metric, values, numbers, exemplars.get((metric.name, values), ()))
            for values, numbers in samples[metric.name]
        )
        for metric in families
        if metric.name in samples
    )
    return f"{text}# EOF\n".encode()


def header(metric: Metric, name: str | None = None) -> str:
    """Return the HELP and TYPE lines of a family; `name` replaces the metric's own name."""
    name = name or metric.name
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"


@functools.lru_cache(maxsize=10_000)
def label_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return `{method="GET",name="/"}`; "" where there are no labels."""
    inner = ",".join(
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)
    )
    return f"{{{inner}}}" if inner else ""


def sample(metric: Metric, label_values: tuple[str, ...], value: float) -> str:
    """Return the line of a counter or a gauge."""
    return f"{metric.name}{label_text(metric.labels, label_values)} {value}\n"


def family(metric: Metric, samples: Mapping[Any, float | None]) -> str:
    """Return a counter's or gauge's lines, from values by tuples of label values.

    A value of None is absent, and so is a family without values.
    """
    lines = [
        sample(metric, values, value) for values, value in samples.items() if value is not None
    ]
    return header(metric) + "".join(lines) if lines else ""


def sample_template(metric: Metric, label_values: tuple[str, ...]) -> str:
    """Return the line of a counter or a gauge with `%s` for its value."""
    labels = label_text(metric.labels, label_values).replace("%", "%%")
    return f"{metric.name}{labels} %s\n"


def histogram(metric: Metric, counts: Sequence[float], total: float) -> str:
    """Return the family of a histogram without labels, from its counts by bucket and its sum."""
    return header(metric) + histogram_template(metric, ()) % histogram_values(counts, total)


@functools.lru_cache(maxsize=1000)
def histogram_template(metric: Metric, label_values: tuple[str, ...]) -> str:
    """Return a histogram's lines with `%s` for each value; filling it in once is fastest."""
    labels = label_text(metric.labels, label_values).replace("%", "%%")
    bucket = f"{metric.name}_bucket{labels[:-1]}," if labels else f"{metric.name}_bucket{{"
    buckets = "".join(f'{bucket}le="{le}"}} %s\n' for le in bucket_labels(metric.bounds))
    return f"{buckets}{metric.name}_sum{labels} %s\n{metric.name}_count{labels} %s\n"


def histogram_values(counts: Sequence[float], total: float) -> tuple[float, ...]:
    """Return the values for a template from counts by bucket, not cumulative, +Inf last."""
    cumulative = tuple(accumulate(counts))
    return (*cumulative, total, cumulative[-1])


@functools.cache
def bucket_labels(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Return the `le` of each bucket, +Inf included."""
    return tuple(format_bound(bound) for bound in (*bounds, float("inf")))


def _series(
    metric: Metric,
    label_values: tuple[str, ...],
    numbers: Sequence[float],
    exemplars: Sequence[Exemplar | None],
) -> str:
    if metric.kind != "histogram":
        return sample(metric, label_values, numbers[0])
    *counts, total = numbers
    values: tuple[object, ...] = histogram_values(counts, total)
    if exemplars:
        buckets = zip(values, exemplars, strict=False)  # sum and count follow the buckets
        marked = [f"{count}{_exemplar_text(exemplar, count)}" for count, exemplar in buckets]
        values = (*marked, *values[len(marked) :])
    return histogram_template(metric, label_values) % values


def _exemplar_text(exemplar: Exemplar | None, count: object) -> str:
    # A new series is shown at 0 once, and then it has no request to show either.
    if exemplar is None or not count:
        return ""
    return f' # {{trace_id="{exemplar.trace_id}"}} {exemplar.value!r} {exemplar.timestamp:.3f}'
