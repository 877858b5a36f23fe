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
class Page:
    """Samples of one page."""

    text: str
    samples: tuple[tuple[str, dict[str, str], float], ...]

    def values(self, name: str, /, **labels: str) -> list[float]:
        """Values of the samples with this name and at least these labels."""
        return [
            value
            for sample, its, value in self.samples
            if sample == name and labels.items() <= its.items()
        ]

    def total(self, name: str, /, **labels: str) -> float:
        """Their sum; 0 where there is none."""
        return sum(self.values(name, **labels))

    def value(self, name: str, /, **labels: str) -> float | None:
        """The one value; None where there is none."""
        found = self.values(name, **labels)
        assert len(found) <= 1, f"{name}{labels} has {len(found)} samples"
        return found[0] if found else None


def parse(text: str) -> Page:
    """A page's text, parsed."""
    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    return Page(text, tuple((sample.name, sample.labels, sample.value) for sample in samples))


def exemplars(text: str) -> dict[str, set[str]]:
    """Trace ids of the exemplars on an OpenMetrics page, by the histogram they are in."""
    found: dict[str, set[str]] = {}
    for family in openmetrics_families(text):
        traces = {
            sample.exemplar.labels["trace_id"] for sample in family.samples if sample.exemplar
        }
        if traces:
            found[family.name] = traces
    return found


def scrape_openmetrics(url: str) -> str:
    """The page at `url`, as Prometheus asks for it but in its own name."""
    request = urllib.request.Request(
        url, headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
        assert (
            response.headers["Content-Type"]
            == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        return response.read().decode()


def scrape(url: str, agent: str = "a person") -> Page:
    """The page at `url`, now."""
    request = urllib.request.Request(url, headers={"User-Agent": agent})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
        return parse(response.read().decode())
