"""The server's figures from a Prometheus that is there already, by a query for each signal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from firedrill.drill.measure.run_queries import ratio, span
from firedrill.errors import BadInput
from firedrill.histogram import statistics
from firedrill.names import without_userinfo
from firedrill.prometheus.client import Prometheus, QueryRefused
from firedrill.record.figures import Saturation, ServerSide, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.record.figures import Figures

_DURATION = "http_server_request_duration_seconds"
QUERIES: Mapping[str, str] = {
    "latency": f"sum by (le) (increase({_DURATION}_bucket[$window]))",
    "rate": f"sum(rate({_DURATION}_count[$window]))",
    "errors": f'sum(rate({_DURATION}_count{{http_response_status_code=~"5.."}}[$window]))',
    "saturation": "max(max_over_time(process_cpu_utilization_ratio[$window]))",
}
"""The query of each golden signal, by OpenTelemetry's names. `latency` gives buckets by `le`,
`errors` failed requests a second, `saturation` the used share of a limit. `$window` becomes the
length of the time that is asked for."""


@dataclass(frozen=True, slots=True)
class ExistingPrometheus:
    """A Prometheus that scrapes the API, and the query of each signal."""

    url: str
    queries: Mapping[str, str] = field(default_factory=lambda: QUERIES)

    @classmethod
    def parse(cls, url: str, queries: Sequence[str]) -> Self:
        """Read a URL and queries `SIGNAL=PROMQL`, which replace the default ones.

        Raises:
            BadInput: it is no URL, or a signal is none.
        """
        if not url.startswith(("http://", "https://")):
            raise BadInput(
                f"--prometheus {without_userinfo(url)}: "
                "expected a URL such as http://127.0.0.1:9090"
            )
        chosen = dict(QUERIES)
        for text in queries:
            signal, equals, query = text.partition("=")
            if not equals or signal not in QUERIES:
                raise BadInput(
                    f"--prometheus-query {text}: expected SIGNAL=PROMQL, "
                    f"with a signal of {', '.join(QUERIES)}"
                )
            chosen[signal] = query
        return cls(url, chosen)

    def check(self) -> None:
        """Ask every query once.

        Raises:
            Missing: the Prometheus does not answer.
            BadInput: it refuses a query.
        """
        for signal, query in self.queries.items():
            try:
                Prometheus(self.url).instant(query.replace("$window", "1m"))
            except QueryRefused as error:
                raise BadInput(f"--prometheus-query {signal}: {error.answer}") from error

    def measured(self, figures: Figures, window: Window, warmup_seconds: float) -> Figures:
        """Return the figures of a run with this Prometheus's server side.

        Raises what Prometheus raises.
        """
        judged = Window(min(window.start + warmup_seconds, window.end), window.end)
        steps = (
            replace(
                step,
                server=self._server_side(
                    Window(window.start + step.start_seconds, window.start + step.end_seconds)
                ),
            )
            for step in figures.steps
        )
        used = self._number("saturation", window)
        saturation = figures.saturation
        if used is not None:
            largest = {**saturation.largest_ratio, "server": used}
            saturation = Saturation(
                largest_ratio=largest,
                ran_out_first=saturation.ran_out_first,
                ran_out_after_seconds=saturation.ran_out_after_seconds,
                nearest=max(largest, key=lambda name: largest[name]),
            )
        return replace(
            figures,
            server=self._server_side(judged),
            steps=tuple(steps),
            saturation=saturation,
        )

    def _server_side(self, window: Window) -> ServerSide:
        rate, failed = self._number("rate", window), self._number("errors", window)
        buckets = {
            float(sample.labels.get("le", "nan")): sample.value
            for sample in Prometheus(self.url).instant(self._query("latency", window), window.end)
        }
        latency = statistics(buckets)
        return ServerSide(
            latency_seconds=latency,
            handler_latency_seconds=latency,
            queue_wait_seconds={},
            rate=rate,
            error_ratio=ratio(failed or 0.0, rate),
        )

    def _number(self, signal: str, window: Window) -> float | None:
        return Prometheus(self.url).number(self._query(signal, window), window.end)

    def _query(self, signal: str, window: Window) -> str:
        return self.queries[signal].replace("$window", span(window))
