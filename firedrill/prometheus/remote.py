"""Prometheus's remote read and remote write: the only way to its samples that keeps stale markers, on which alerts depend.

The messages are those of prometheus/prompb (remote.proto, types.proto), declared here as far as they are used.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import cramjam
import urllib3
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from firedrill.errors import Missing
from firedrill.prometheus.client import authorization

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MESSAGES = {
    "Label": ["string name 1", "string value 2"],
    "Sample": ["double value 1", "int64 timestamp 2"],
    "TimeSeries": ["*Label labels 1", "*Sample samples 2"],
    "LabelMatcher": ["int32 type 1", "string name 2", "string value 3"],
    "Query": ["int64 start_timestamp_ms 1", "int64 end_timestamp_ms 2", "*LabelMatcher matchers 3"],
    "ReadRequest": ["*Query queries 1"],
    "QueryResult": ["*TimeSeries timeseries 1"],
    "ReadResponse": ["*QueryResult results 1"],
    "WriteRequest": ["*TimeSeries timeseries 1"],
}
_OPERATORS = ("=", "!=", "=~", "!~")
"""Of matchers, each at its number there."""
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_SERIES_PER_WRITE = 500
_TIMEOUT_SECONDS = 60


def _declare() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="firedrill/remote.proto", package="firedrill.remote", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add_field(message, *field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"firedrill.remote.{name}")
        )
        for name in _MESSAGES
    }


def _add_field(message: descriptor_pb2.DescriptorProto, kind: str, name: str, number: str) -> None:
    proto = descriptor_pb2.FieldDescriptorProto
    if kind.startswith("*"):
        message.field.add(
            name=name,
            number=int(number),
            label=proto.LABEL_REPEATED,
            type=proto.TYPE_MESSAGE,
            type_name=f".firedrill.remote.{kind[1:]}",
        )
    else:
        message.field.add(
            name=name,
            number=int(number),
            label=proto.LABEL_OPTIONAL,
            type=getattr(proto, f"TYPE_{kind.upper()}"),
        )


_CLASS = _declare()


def read(url: str, start: float, end: float, names: str = ".+") -> list[Any]:
    """Every sample in [start, end] (Unix seconds) of every series with such a name, as prompb TimeSeries; stale markers included.

    Raises:
        Missing: the Prometheus at the URL did not deliver.
    """
    return read_matching(url, start, end, [(("__name__", "=~", names),)])


def read_matching(
    url: str, start: float, end: float, selectors: Iterable[Iterable[tuple[str, str, str]]]
) -> list[Any]:
    """The same of every series that fits a selector: (label, operator, value) each. What fits several comes several times.

    Raises:
        Missing: the Prometheus at the URL did not deliver.
    """
    queries = []
    for selector in selectors:
        query = _CLASS["Query"](
            start_timestamp_ms=round(start * 1000), end_timestamp_ms=round(end * 1000)
        )
        for name, operator, value in selector:
            query.matchers.add(type=_OPERATORS.index(operator), name=name, value=value)
        queries.append(query)
    answer = _post(f"{url}/api/v1/read", _CLASS["ReadRequest"](queries=queries))
    return [
        series
        for result in _CLASS["ReadResponse"]
        .FromString(bytes(cramjam.snappy.decompress_raw(answer)))
        .results
        for series in result.timeseries
    ]


def write(url: str, series: Iterable[Any]) -> None:
    """Append samples to a Prometheus that runs with its remote-write receiver on.

    Raises:
        Missing: it did not take them.
    """
    waiting = list(series)
    for first in range(0, len(waiting), _SERIES_PER_WRITE):
        _post(
            f"{url}/api/v1/write",
            _CLASS["WriteRequest"](timeseries=waiting[first : first + _SERIES_PER_WRITE]),
        )


def series(labels: Mapping[str, str]) -> Any:
    """A prompb TimeSeries with these labels and no sample; an empty label is none."""
    made = _CLASS["TimeSeries"]()
    for name in sorted(name for name, value in labels.items() if value):
        made.labels.add(name=name, value=labels[name])
    return made


class Page:
    """One sample of each of some series, at a time: written again and again, which hardly takes Python's time."""

    def __init__(self, label_sets: Iterable[Mapping[str, str]]) -> None:
        self._message = _CLASS["WriteRequest"](timeseries=map(series, label_sets))
        self._slots = [one.samples.add() for one in self._message.timeseries]

    def write(self, url: str, samples: Iterable[tuple[int, float]]) -> None:
        """Append a sample (Unix milliseconds, value) of each.

        Raises:
            Missing: the Prometheus at the URL did not take them.
        """
        for slot, (time_ms, value) in zip(self._slots, samples, strict=True):
            slot.timestamp, slot.value = time_ms, value
        _post(f"{url}/api/v1/write", self._message)


def shift(series: Any, seconds: float, **labels: str) -> None:
    """Move a TimeSeries in time, and give it labels that it does not have."""
    for sample in series.samples:
        sample.timestamp += round(seconds * 1000)
    for name, value in labels.items():
        series.labels.add(name=name, value=value)
    # Prometheus takes labels in order only.
    series.labels.sort(key=lambda label: label.name)


_HTTP = urllib3.PoolManager(retries=False)
"""Connections that are kept: rules that are evaluated one by one write thousands of times."""


def _post(url: str, message: Any) -> bytes:
    body = bytes(cramjam.snappy.compress_raw(message.SerializeToString()))
    try:
        answer = _HTTP.request(
            "POST",
            url,
            body=body,
            headers={**_HEADERS, **authorization(url)},
            timeout=_TIMEOUT_SECONDS,
        )
    except urllib3.exceptions.HTTPError as error:
        raise Missing(f"Prometheus at {url} does not answer: {error.__class__.__name__}") from error
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise Missing(
            f"Prometheus at {url} refused: {answer.data.decode(errors='replace').strip()[:200]}"
        )
    return answer.data
