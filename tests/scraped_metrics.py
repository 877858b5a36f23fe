"""Metrics as a test reads them: fetched over HTTP, parsed by prometheus_client's own
parser.
"""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import PATIENCE_SECONDS


@dataclass(frozen=True)
class Metrics:
    """The samples of one scrape."""

    text: str
    samples: tuple[tuple[str, dict[str, str], float], ...]

    def values(self, name: str, /, **labels: str) -> list[float]:
        """Return the values of the samples with this name and at least these labels."""
        return [
            value
            for sample, sample_labels, value in self.samples
            if sample == name and labels.items() <= sample_labels.items()
        ]

    def total(self, name: str, /, **labels: str) -> float:
        """Return the sum of these values; 0 without any."""
        return sum(self.values(name, **labels))

    def value(self, name: str, /, **labels: str) -> float | None:
        """Return the only such value; None without any."""
        values = self.values(name, **labels)
        assert len(values) <= 1, f"{name}{labels} has {len(values)} samples"
        return values[0] if values else None


def parse(text: str) -> Metrics:
    """Parse the text format."""
    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    return Metrics(text, tuple((sample.name, sample.labels, sample.value) for sample in samples))


def exemplars(text: str) -> dict[str, set[str]]:
    """Return the trace ids of the exemplars in an OpenMetrics text, by histogram."""
    trace_ids: dict[str, set[str]] = {}
    for family in openmetrics_families(text):
        traces = {
            sample.exemplar.labels["trace_id"] for sample in family.samples if sample.exemplar
        }
        if traces:
            trace_ids[family.name] = traces
    return trace_ids


def scrape_openmetrics(url: str) -> str:
    """Return the text at `url`, as Prometheus asks for it but under another name."""
    request = urllib.request.Request(
        url, headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
        assert (
            response.headers["Content-Type"]
            == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        return response.read().decode()


def scrape(url: str, agent: str = "a person") -> Metrics:
    """Return the metrics at `url`, now."""
    request = urllib.request.Request(url, headers={"User-Agent": agent})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
        return parse(response.read().decode())
