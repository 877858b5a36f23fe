"""Names that other instrumentations give to the durations of requests.

prometheus/prometheus.yml renames their series in job `api`.
"""

from __future__ import annotations

import re

_FAMILIES = (
    "http_request_duration_highr_seconds",
    "flask_http_request_duration_seconds",
    "starlette_request_duration_seconds",
    "django_http_requests_latency_seconds_by_view_method",
    "django_http_responses_total_by_status_view_method",
    "django_http_requests_latency_including_middlewares_seconds",
    "http_server_duration",
    "http_server_duration_milliseconds",
    "http_server_duration_seconds",
    "http_server_request_duration",
)
_SUFFIX = r"(?:_bucket|_count|_sum|_total)?\b"
_NAMED = re.compile(
    rf"\b(?:{'|'.join(_FAMILIES)}|http_requests|http_request_duration_seconds|"
    rf"http_server_request_duration_seconds){_SUFFIX}"
)
_ON_PAGE = re.compile(rf"^(?:# TYPE )?(?:{'|'.join(_FAMILIES)}){_SUFFIX}", re.MULTILINE)
_OTEL = re.compile(r'^http_server_request_duration_seconds_\w+\{.*otel_scope_name="', re.MULTILINE)
_RELABELLING = re.compile(r"^ +metric_relabel_configs:\n(?:^ {6}.*\n)+", re.MULTILINE)


def are_in(page: str) -> bool:
    """Return whether a page of metrics has durations of requests that are renamed."""
    return bool(_ON_PAGE.search(page) or _OTEL.search(page))


def keep_if_read(configuration: str, rules: str) -> str:
    """Return a Prometheus configuration, without the renaming if rules read one of its names."""
    return _RELABELLING.sub("", configuration) if _NAMED.search(rules) else configuration
