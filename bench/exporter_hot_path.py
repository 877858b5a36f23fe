"""How much the exporter adds to a request, beside Locust's own counting.

Measured in isolation, without a network: the wrapper that tracks a client's request in flight and
looks for a body that is left to read; the wrappers of Locust's statistics that see whether a
reported request was seen to begin, and sanitize its values; in an open loop also the listener that
measures a request since its due time; and Locust's own listener, which enters a request into its
statistics. Blocks are shuffled, means are trimmed, the median of five rounds is given. Aim: 3 us
for all of the exporter's together. Run: `python -m bench.exporter_hot_path`.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING, Any

from locust.stats import RequestStats
from locust_exporter.counting import sanitize
from locust_exporter.counting.arrival_counts import ArrivalCounts
from locust_exporter.counting.in_flight import InFlight
from locust_exporter.counting.streamed_body import watch_requests_body

from bench.instrumentation_tax import trimmed_mean
from bench.result_tables import save, table
from firedrill.profile import load_profile

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, BLOCKS, CALLS = 5, 20, 5000
TRACKED, SANITIZED, SINCE_DUE, LOCUST = (
    "tracked in flight",
    "sanitized",
    "measured since due",
    "counted by Locust",
)
CALL, LOGGED = "a call", "a call with what is logged"


class ReadAnswer:
    """Stands in for an answer of requests whose body was read."""

    _catch_response = False

    class raw:  # noqa: N801 - as requests names it
        """Stands in for urllib3's response."""

        class _fp:  # noqa: N801
            fp = None


def request(_session: object) -> type[ReadAnswer]:
    """Stand in for a request that is answered at once."""
    return ReadAnswer


def log_request(
    _stats: object, _method: object, _name: object, _response_time: object, _content_length: object
) -> None:
    """Stand in for statistics that keep nothing."""


def variants() -> dict[str, Callable[[], Any]]:
    """Return the variants to measure, each as a call."""
    in_flight, session = InFlight(()), object()
    tracked = in_flight.tracked(request, watch_requests_body)
    statistics_of_locust: Any = RequestStats()
    listen = since_due_listener()
    sanitizing = in_flight.tracked_log(
        sanitize.sanitized_log_request(log_request), on_unseen=lambda _method, _name: None
    )
    return {
        CALL: lambda: request(session),
        LOGGED: lambda: log_request(None, "GET", "/", 12.3, 100),
        SANITIZED: lambda: sanitizing(None, "GET", "/", 12.3, 100),
        TRACKED: lambda: tracked(session),
        SINCE_DUE: lambda: listen(
            request_type="GET",
            name="/",
            response_time=12.3,
            response_length=100,
            exception=None,
            context={},
        ),
        LOCUST: lambda: statistics_of_locust.log_request("GET", "/", 12.3, 100),
    }


def since_due_listener() -> Callable[..., None]:
    """Return the open loop's listener."""
    from firedrill_load.open_loop.arrival_dispatcher import ArrivalDispatcher  # noqa: PLC0415 - it imports Locust, which patches the process

    on_request: Callable[..., None] = ArrivalDispatcher(
        load_profile("open"), ArrivalCounts()
    ).on_request
    return on_request


def block_microseconds(call: Callable[[], Any]) -> float:
    """Return the mean of one block."""
    begun = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - begun) / CALLS * 1e6


def one_round(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the microseconds that each variant adds."""
    blocks = [name for name in calls for _ in range(BLOCKS)]
    random.shuffle(blocks)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for name in blocks:
        taken[name].append(block_microseconds(calls[name]))
    means = {name: trimmed_mean(values) for name, values in taken.items()}
    added = {name: mean - means[CALL] for name, mean in means.items() if name not in {CALL, LOGGED}}
    return {**added, SANITIZED: means[SANITIZED] - means[LOGGED]}


def main() -> None:
    """Measure, print, save."""
    calls = variants()
    rounds = [one_round(calls) for _ in range(ROUNDS)]
    rows = [
        {
            "variant": ", ".join(names),
            "added_us": round(
                statistics.median(sum(added[name] for name in names) for added in rounds), 2
            ),
            "ratio_to_locust": round(
                statistics.median(
                    sum(added[name] for name in names) / added[LOCUST] for added in rounds
                ),
                2,
            ),
        }
        for names in ((TRACKED, SANITIZED), (TRACKED, SANITIZED, SINCE_DUE), (LOCUST,))
    ]
    table(rows)
    save("exporter_hot_path", rows)


if __name__ == "__main__":
    main()
