"""The client of Prometheus's HTTP API. Times are Unix seconds, values floats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from firedrill.errors import FiredrillError, Missing
from firedrill.http_client import HttpClient, NoAnswer
from firedrill.names import without_userinfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_POINTS = 11_000
"""Points per series that a range query may return (Prometheus's own limit)."""


class QueryRefused(FiredrillError):
    """Prometheus answered a query with an error; the message holds the query and the error."""

    def __init__(self, text: str, kind: str = "", answer: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        """Prometheus's errorType: `execution` for a valid expression that fails on its data."""
        self.answer = answer
        """Prometheus's own error text."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a series."""

    labels: Mapping[str, str]
    time: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one series, oldest first, as (time, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    def values(self) -> list[float]:
        """Return the values that are numbers."""
        return [value for _, value in self.points if not math.isnan(value)]


class Prometheus:
    """A Prometheus at a URL; no answer is cached.

    Raises (all calls but `is_ready`):
        Missing: it does not answer.
        QueryRefused: it answered with an error.
    """

    def __init__(
        self, url: str, timeout_seconds: float = 10.0, config_file: Path | None = None
    ) -> None:
        """Take the one at this URL, and only if it runs on this configuration file (None: any)."""
        self.url = url.rstrip("/")
        self._config_file = config_file
        self._timeout_seconds = timeout_seconds
        # A replay sends thousands of small queries, so connections are kept. No encoding is
        # accepted, so that Prometheus doesn't spend time on packing its answers.
        self._http = HttpClient()

    def is_ready(self) -> bool:
        """Return whether it serves queries, and is the one that was started for us."""
        try:
            ready = self._http.request("GET", f"{self.url}/-/ready", timeout_seconds=1)
            return ready.status == 200 and (
                self._config_file is None or self.flags()["config.file"] == str(self._config_file)
            )
        except (NoAnswer, Missing, QueryRefused):
            return False

    def instant(self, query: str, time: float | None = None) -> list[Sample]:
        """Evaluate an expression at a time (default: now)."""
        result = self._query(
            "query", {"query": query, **({} if time is None else {"time": f"{time:.3f}"})}
        )
        if result["resultType"] == "scalar":
            return [_sample({}, result["result"])]
        return [_sample(row["metric"], row["value"]) for row in result["result"]]

    def number(self, query: str, time: float | None = None) -> float | None:
        """Evaluate an expression that gives one series; None if it gives none, or no number."""
        samples = self.instant(query, time)
        return samples[0].value if samples and not math.isnan(samples[0].value) else None

    def raw(self, selector: str, start: float, end: float) -> list[Series]:
        """Return the samples in (start, end] of every series that matches, as they were scraped."""
        window = max(1, round((end - start) * 1000))
        result = self._query("query", {"query": f"{selector}[{window}ms]", "time": f"{end:.3f}"})
        return [_series(row) for row in result["result"]]

    def range(
        self, query: str, start: float, end: float, step_seconds: float = 1.0
    ) -> list[Series]:
        """Evaluate an expression from start to end, with a longer step beyond `MAX_POINTS`."""
        step = step_of(start, end, step_seconds)
        result = self._query(
            "query_range",
            {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"},
        )
        return [_series(row) for row in result["result"]]

    def grid(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> list[Series]:
        """Evaluate an expression at exactly these times, `MAX_POINTS` of them at most."""
        times = {
            "start": f"{start_ms / 1000:.3f}",
            "end": f"{end_ms / 1000:.3f}",
            "step": f"{step_ms}ms",
        }
        return [
            _series(row) for row in self._query("query_range", {"query": query, **times})["result"]
        ]

    def label_sets(self, selector: str, start: float, end: float) -> list[Mapping[str, str]]:
        """Return the labels of every series that matches and has samples in [start, end].

        This is far cheaper than their samples.
        """
        return list(
            self._call(
                "POST",
                "/api/v1/series",
                {"match[]": selector, "start": f"{start:.3f}", "end": f"{end:.3f}"},
            )
        )

    def names(self) -> frozenset[str]:
        """Return the metric names of all series that it has."""
        return frozenset(self._call("GET", "/api/v1/label/__name__/values", {}))

    def rule_groups(self) -> list[Any]:
        """Return the rule groups that it has loaded, as `/api/v1/rules` gives them."""
        return list(self._call("GET", "/api/v1/rules", {})["groups"])

    def snapshot(self) -> str:
        """Write a snapshot of all samples; return its folder's name in `<data>/snapshots/`."""
        return str(self._call("POST", "/api/v1/admin/tsdb/snapshot", {})["name"])

    def flags(self) -> Mapping[str, str]:
        """Return the values of its command line's flags."""
        return dict(self._call("GET", "/api/v1/status/flags", {}))

    def configuration(self) -> str:
        """Return the configuration that it has loaded, as YAML."""
        return str(self._call("GET", "/api/v1/status/config", {})["yaml"])

    def metric_kinds(self) -> dict[str, str]:
        """Return `counter`, `gauge` and so on by series name, as its targets declare them.

        The series of a histogram are counters, the quantiles of a summary are gauges.
        """
        kinds: dict[str, str] = {}
        for name, declared in self._call("GET", "/api/v1/metadata", {}).items():
            kind = str(declared[0]["type"])
            kinds[name] = "gauge" if kind == "summary" else kind
            if kind in {"histogram", "summary"}:
                kinds |= {f"{name}_{part}": "counter" for part in ("bucket", "count", "sum")}
        return kinds

    def version(self) -> str:
        """Return its version, such as `2.42.0`."""
        return str(self._call("GET", "/api/v1/status/buildinfo", {})["version"])

    def _query(self, endpoint: str, parameters: dict[str, str]) -> Any:
        return self._call("POST", f"/api/v1/{endpoint}", parameters)

    def _call(self, method: str, path: str, parameters: dict[str, str]) -> Any:
        try:
            answer = self._http.request(
                method,
                self.url + path,
                body=urlencode(parameters),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                timeout_seconds=self._timeout_seconds,
            ).json()
        except NoAnswer as error:
            raise Missing(f"Prometheus does not answer: {error}") from error
        except ValueError as error:
            raise Missing(
                f"{self._shown_url}: the answer is not JSON; expected Prometheus's HTTP API"
            ) from error
        if answer.get("status") != "success":
            reason = str(answer.get("error"))
            raise QueryRefused(
                f"Prometheus at {self._shown_url} refused "
                f"{parameters.get('query', path)}: {reason}",
                str(answer.get("errorType")),
                reason,
            )
        return answer["data"]

    @property
    def _shown_url(self) -> str:
        return without_userinfo(self.url)


def step_of(start: float, end: float, wanted_seconds: float = 1.0) -> float:
    """Return the seconds between points: those wanted, or more where there would be too many."""
    return max(wanted_seconds, math.ceil((end - start) / (MAX_POINTS - 1)))


def _sample(labels: Mapping[str, str], point: list[Any]) -> Sample:
    return Sample(labels, float(point[0]), float(point[1]))


def _series(row: Mapping[str, Any]) -> Series:
    return Series(
        row["metric"], tuple((float(time), float(value)) for time, value in row["values"])
    )
