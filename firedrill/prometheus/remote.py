"""The client of Prometheus's remote read and remote write, which keep stale markers.

No other API of Prometheus returns stale markers, and alerts depend on them. The messages are in
remote.proto. After a change there, generate remote_pb2.py and remote_pb2.pyi again. Code from
protobuf 6.31.1 runs with 6.31.1 to 7.x:

    pip install grpcio-tools==1.76.0 protobuf==6.31.1
    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. firedrill/prometheus/remote.proto
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cramjam

from firedrill.errors import Missing
from firedrill.http_client import HttpClient, NoAnswer
from firedrill.names import without_userinfo
from firedrill.prometheus.remote_pb2 import (
    LabelMatcher,
    Query,
    ReadRequest,
    ReadResponse,
    TimeSeries,
    WriteRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MATCHER_TYPES = {
    "=": LabelMatcher.EQ,
    "!=": LabelMatcher.NEQ,
    "=~": LabelMatcher.RE,
    "!~": LabelMatcher.NRE,
}
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_SERIES_PER_WRITE = 500
_TIMEOUT_SECONDS = 60


def read(url: str, start: float, end: float, names: str = ".+") -> list[TimeSeries]:
    """Read the samples in [start, end] (Unix seconds) of series whose name matches a regex.

    Raises:
        Missing: the Prometheus at the URL does not answer, or refuses.
    """
    return read_matching(url, start, end, [(("__name__", "=~", names),)])


def read_matching(
    url: str, start: float, end: float, selectors: Iterable[Iterable[tuple[str, str, str]]]
) -> list[TimeSeries]:
    """Read every sample in [start, end] of the series that match a selector.

    A selector is a sequence of (label, operator, value). A series that matches several selectors is
    returned once for each.

    Raises:
        Missing: the Prometheus at the URL does not answer, or refuses.
    """
    queries = []
    for selector in selectors:
        query = Query(start_timestamp_ms=round(start * 1000), end_timestamp_ms=round(end * 1000))
        for name, operator, value in selector:
            query.matchers.add(type=_MATCHER_TYPES[operator], name=name, value=value)
        queries.append(query)
    answer = _post(f"{url}/api/v1/read", ReadRequest(queries=queries))
    response = ReadResponse.FromString(bytes(cramjam.snappy.decompress_raw(answer)))
    return [series for result in response.results for series in result.timeseries]


def write(url: str, series: Iterable[TimeSeries]) -> None:
    """Append samples to a Prometheus that runs with its remote-write receiver on.

    Raises:
        Missing: the Prometheus at the URL does not answer, or refuses.
    """
    waiting = list(series)
    for first in range(0, len(waiting), _SERIES_PER_WRITE):
        _post(
            f"{url}/api/v1/write",
            WriteRequest(timeseries=waiting[first : first + _SERIES_PER_WRITE]),
        )


def series(labels: Mapping[str, str]) -> TimeSeries:
    """Return a series with these labels and no sample; an empty label is left out."""
    empty = TimeSeries()
    for name in sorted(name for name, value in labels.items() if value):
        empty.labels.add(name=name, value=labels[name])
    return empty


class SampleWriter:
    """Writes a sample of each of a fixed set of series, many times, with one message."""

    def __init__(self, label_sets: Iterable[Mapping[str, str]]) -> None:
        self._message = WriteRequest(timeseries=map(series, label_sets))
        self._samples = [series.samples.add() for series in self._message.timeseries]

    def write(self, url: str, samples: Iterable[tuple[int, float]]) -> None:
        """Append one sample (Unix milliseconds, value) to each series, in their order.

        Raises:
            Missing: the Prometheus at the URL does not answer, or refuses.
        """
        for sample, (time_ms, value) in zip(self._samples, samples, strict=True):
            sample.timestamp, sample.value = time_ms, value
        _post(f"{url}/api/v1/write", self._message)


def shift(series: TimeSeries, seconds: float, **labels: str) -> None:
    """Move a series in time, in place, and add labels that it does not have."""
    for sample in series.samples:
        sample.timestamp += round(seconds * 1000)
    for name, value in labels.items():
        series.labels.add(name=name, value=value)
    # Prometheus takes labels in order only.
    series.labels.sort(key=lambda label: label.name)


_HTTP = HttpClient()
"""Kept connections: a replay that evaluates rules one by one writes thousands of times."""


def _post(url: str, message: ReadRequest | WriteRequest) -> bytes:
    body = bytes(cramjam.snappy.compress_raw(message.SerializeToString()))
    try:
        answer = _HTTP.request(
            "POST", url, body=body, headers=_HEADERS, timeout_seconds=_TIMEOUT_SECONDS
        )
    except NoAnswer as error:
        raise Missing(f"Prometheus does not answer: {error}") from error
    if not answer.ok:
        raise Missing(f"Prometheus at {without_userinfo(url)} refused: {answer.text()[:200]}")
    return answer.body
