"""The processes that make the load, on the page: which there are, and how each of them fares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.contract import Client
from locust_exporter.endpoint.exposition import family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust_exporter.counting.process_reports import Report

STATES = ("ready", "spawning", "running", "missing")

LOCAL = "local"
"""The only process, where there are no workers."""


def of_master(runner: Any, reports: Mapping[str, Report], own: Report) -> str:
    """A master's workers, and the master: one that cannot keep up hands out work, and merges counts, late."""
    nodes = runner.clients
    known = {client: str(runner.get_worker_index(client)) for client in nodes}
    # How a missing one fared last says nothing of now.
    present = {
        client: worker for client, worker in known.items() if nodes[client].state != "missing"
    }
    return "".join(
        (
            family(Client.WORKERS, {(state,): len(nodes.get_by_state(state)) for state in STATES}),
            family(
                Client.WORKER_STATE,
                {
                    (worker, state): int(state == nodes[client].state)
                    for client, worker in known.items()
                    for state in STATES
                },
            ),
            family(
                Client.WORKER_USERS,
                {(worker,): nodes[client].user_count for client, worker in known.items()},
            ),
            family(
                Client.WORKER_REPORT,
                {(worker,): report.received for worker, report in _told(known, reports)},
            ),
            _fare(
                {**dict(_told(known, reports)), "master": own},
                {**dict(_told(present, reports)), "master": own},
            ),
        )
    )


def of_one(runner: Any, own: Report) -> str:
    """The only process."""
    users, received = (
        family(Client.WORKER_USERS, {(LOCAL,): runner.user_count}),
        family(Client.WORKER_REPORT, {(LOCAL,): own.received}),
    )
    return users + received + _fare({LOCAL: own}, {LOCAL: own})


def _told(workers: Mapping[str, str], reports: Mapping[str, Report]) -> list[tuple[str, Report]]:
    return [(worker, reports[client]) for client, worker in workers.items() if client in reports]


def _fare(known: Mapping[str, Report], present: Mapping[str, Report]) -> str:
    return "".join(
        (
            family(
                Client.WORKER_CPU,
                {(process,): report.cpu_ratio for process, report in present.items()},
            ),
            family(
                Client.WORKER_MEMORY,
                {(process,): report.memory_bytes for process, report in present.items()},
            ),
            family(
                Client.WORKER_LAG,
                {(process,): report.lag_seconds for process, report in known.items()},
            ),
            family(
                Client.WORKER_LAG_MAX,
                {(process,): report.lag_max_seconds for process, report in present.items()},
            ),
        )
    )
