"""Prometheus's HTTP API, as much of it as Firedrill uses. Times are Unix seconds, values floats."""

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

MAX_POINTS = 11_000
"""Points per series that one range query may return (Prometheus's own limit)."""


class QueryRefused(FiredrillError):
    """Prometheus answered a query with an error; the message holds the query and its answer."""

    def __init__(self, text: str, kind: str = "", answer: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        """Prometheus's errorType: `execution` for an expression that is valid and fails on its data."""
        self.answer = answer
        """What Prometheus said, alone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series."""

    labels: Mapping[str, str]
    time: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one series, oldest first, as (time, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    def values(self) -> list[float]:
        """The values that are numbers."""
        return [value for _, value in self.points if not math.isnan(value)]


class Prometheus:
    """A Prometheus at an address; every call asks it anew.

    Raises (all calls but `is_ready`):
        Missing: it does not answer.
        QueryRefused: it answered with an error.
    """

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        # A replay sends thousands of small queries, so connections are kept. No encoding is
        # accepted, so that Prometheus doesn't spend time on packing its answers.
        self._http = HttpClient()

    def is_ready(self) -> bool:
        """Whether it serves queries."""
        try:
            return self._http.request("GET", f"{self.url}/-/ready", timeout_seconds=1).status == 200
        except NoAnswer:
            return False

    def instant(self, query: str, time: float | None = None) -> list[Sample]:
        """The value of every series of an expression at a time (now if none is given)."""
        result = self._query(
            "query", {"query": query, **({} if time is None else {"time": f"{time:.3f}"})}
        )
        if result["resultType"] == "scalar":
            return [_sample({}, result["result"])]
        return [_sample(row["metric"], row["value"]) for row in result["result"]]

    def number(self, query: str, time: float | None = None) -> float | None:
        """The value of an expression that gives one series; None if it gives none, or no number."""
        samples = self.instant(query, time)
        return samples[0].value if samples and not math.isnan(samples[0].value) else None

    def raw(self, selector: str, start: float, end: float) -> list[Series]:
        """The samples of every series that a selector matches in (start, end], as they were scraped."""
        window = max(1, round((end - start) * 1000))
        result = self._query("query", {"query": f"{selector}[{window}ms]", "time": f"{end:.3f}"})
        return [_series(row) for row in result["result"]]

    def range(
        self, query: str, start: float, end: float, step_seconds: float = 1.0
    ) -> list[Series]:
        """An expression evaluated from start to end; the step grows where the window would exceed `MAX_POINTS`."""
        step = step_of(start, end, step_seconds)
        result = self._query(
            "query_range",
            {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"},
        )
        return [_series(row) for row in result["result"]]

    def grid(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> list[Series]:
        """An expression evaluated at exactly these times, `MAX_POINTS` of them at most."""
        times = {
            "start": f"{start_ms / 1000:.3f}",
            "end": f"{end_ms / 1000:.3f}",
            "step": f"{step_ms}ms",
        }
        return [
            _series(row) for row in self._query("query_range", {"query": query, **times})["result"]
        ]

    def label_sets(self, selector: str, start: float, end: float) -> list[Mapping[str, str]]:
        """The labels of every series that a selector matches and that has samples about then; far cheaper than the samples."""
        return list(
            self._call(
                "POST",
                "/api/v1/series",
                {"match[]": selector, "start": f"{start:.3f}", "end": f"{end:.3f}"},
            )
        )

    def names(self) -> frozenset[str]:
        """Of all series that it has."""
        return frozenset(self._call("GET", "/api/v1/label/__name__/values", {}))

    def rule_groups(self) -> list[Any]:
        """The groups of rules that it has loaded, as `/api/v1/rules` tells them."""
        return list(self._call("GET", "/api/v1/rules", {})["groups"])

    def broken_alerts(self) -> dict[str, str]:
        """What was wrong with the last evaluation of alerts that could not be evaluated, by name."""
        rules = (
            rule
            for group in self.rule_groups()
            for rule in group["rules"]
            if rule.get("type") == "alerting"
        )
        return {
            rule["name"]: str(rule.get("lastError"))
            for rule in rules
            if rule.get("health") == "err"
        }

    def snapshot(self) -> str:
        """Write a snapshot of everything stored, the head included; returns its name below `<data>/snapshots/`."""
        return str(self._call("POST", "/api/v1/admin/tsdb/snapshot", {})["name"])

    def version(self) -> str:
        """Its version, such as `2.42.0`."""
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
                f"Prometheus at {self._shown_url} refused {parameters.get('query', path)}: {reason}",
                str(answer.get("errorType")),
                reason,
            )
        return answer["data"]

    @property
    def _shown_url(self) -> str:
        return without_userinfo(self.url)


def step_of(start: float, end: float, wanted_seconds: float = 1.0) -> float:
    """Seconds between the points of a range: those that are wanted, or more where there would be too many."""
    return max(wanted_seconds, math.ceil((end - start) / (MAX_POINTS - 1)))


def _sample(labels: Mapping[str, str], point: list[Any]) -> Sample:
    return Sample(labels, float(point[0]), float(point[1]))


def _series(row: Mapping[str, Any]) -> Series:
    return Series(
        row["metric"], tuple((float(time), float(value)) for time, value in row["values"])
    )
