"""Settings that carry the offered load, each with the numbers that it follows from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.diagnosis import queueing
from firedrill.diagnosis.bottleneck import needed_connections
from firedrill.record.diagnosis import SettingAdvice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.diagnosis.evidence import Evidence
    from firedrill.record.diagnosis import StageUse

WAIT_QUANTILE = 0.99
WAIT_SHARE_OF_OBJECTIVE = 0.1
"""Share of the p99 objective that the wait for a worker may take."""
WAIT_SECONDS = 0.05
"""The wait that is aimed at where the profile has no p99 objective."""
RESERVE = 1.2
"""Limits that nobody waits for get a fifth more than is needed."""
GENERATOR_CPU = 0.7
"""Used share of a core from which a process of the load generator gets another one beside it."""
MOST_SERVERS = 10_000


def advise(evidence: Evidence, stages: Sequence[StageUse]) -> tuple[SettingAdvice, ...]:
    """Return the settings to change: of the bottleneck and of the next limits."""
    to_widen = [use for use in stages if use.role in {"bottleneck", "next_limit"}]
    return tuple(advice for use in to_widen for advice in _of_stage(evidence, use))


def _of_stage(evidence: Evidence, use: StageUse) -> Iterator[SettingAdvice]:
    rate = evidence.peak_rate
    if use.stage == "connections":
        yield from _connections(evidence, use)
    elif rate is not None and use.stage == "workers":
        yield from _threads(evidence, rate)
    elif rate is not None and use.stage in {"cpu", "event_loop"}:
        yield from _processes(evidence, use, rate)
    elif use.stage == "slots":
        yield from _slots(evidence)
    elif rate is not None and use.stage == "generator" and evidence.generator_cpu_seconds:
        busy = rate * evidence.generator_cpu_seconds
        workers = math.ceil(busy / GENERATOR_CPU)
        derivation = (
            f"{units.rate(rate)} x {_milliseconds(evidence.generator_cpu_seconds)} of CPU are"
            f" {busy:.1f} cores"
        )
        yield SettingAdvice("generator_workers", math.ceil(busy), workers, derivation)


def _threads(evidence: Evidence, rate: float) -> Iterator[SettingAdvice]:
    """Yield threads for independent arrivals; a closed workload throttles itself."""
    service = evidence.unloaded_service_seconds
    if not service or queueing.offered_erlangs(rate, service) > MOST_SERVERS:
        return
    at_least, wait = queueing.servers_at_least(rate, service), aimed_wait_seconds(evidence)
    threads = queueing.servers_for_wait(WAIT_QUANTILE, wait, rate, service)
    number = processes(evidence)
    split = f", in {number} processes" if number > 1 else ""
    waited = queueing.wait_quantile(WAIT_QUANTILE, threads, rate, service)
    yield SettingAdvice(
        "threads",
        math.ceil(at_least / number),
        math.ceil(threads / number),
        f"at least {at_least}: {queueing.offered_erlangs(rate, service):.1f} busy on average at"
        f" {rate:.0f}/s x {_milliseconds(service)}; {threads} keep the 99th percentile of the wait"
        f" under {_milliseconds(wait)} (M/M/c, Erlang C: {_milliseconds(waited)}){split}",
    )


def aimed_wait_seconds(evidence: Evidence) -> float:
    """Return the wait for a worker that is aimed at."""
    slo = evidence.profile.slo
    objective = slo.latency_seconds.get("p99") if slo else None
    return WAIT_SHARE_OF_OBJECTIVE * objective if objective else WAIT_SECONDS


def _connections(evidence: Evidence, use: StageUse) -> Iterator[SettingAdvice]:
    needed = needed_connections(evidence)
    if needed is None or use.limit is None:
        return
    own, number = own_connections(evidence, use.limit), processes(evidence)
    at_least = math.ceil(needed / number) + own
    recommended = math.ceil(needed * RESERVE / number) + own
    keep = (
        f"{needed:.0f} open at once (rate x response time)"
        if evidence.is_open
        else f"{needed:.0f} users keep one each"
    )
    beside = f", and the server counts {own} of its own" if own else ""
    yield SettingAdvice(
        "connection_limit",
        at_least,
        recommended,
        f"above {at_least}: {keep}{beside}; {recommended} leave a reserve of a fifth",
    )


def processes(evidence: Evidence) -> int:
    """Return the processes among which threads and connections are divided."""
    return evidence.settings.get("processes", 1)


def own_connections(evidence: Evidence, limit: float) -> int:
    """Return the descriptors of its own that the server counts against its setting."""
    setting = evidence.settings.get("connection_limit")
    return max(0, round(setting - limit)) if setting and processes(evidence) == 1 else 0


def _processes(evidence: Evidence, use: StageUse, rate: float) -> Iterator[SettingAdvice]:
    """Yield processes: each computes on one core at a time, or blocks its one event loop."""
    model = evidence.model
    seconds = evidence.unloaded_service_seconds
    if use.stage == "cpu":
        seconds = (model.cpu_seconds if model else None) or 0.0
    if not seconds or queueing.offered_erlangs(rate, seconds) > MOST_SERVERS:
        return
    at_least, wait = queueing.servers_at_least(rate, seconds), aimed_wait_seconds(evidence)
    advised = queueing.servers_for_wait(WAIT_QUANTILE, wait, rate, seconds)
    of_cpu = " of CPU" if use.stage == "cpu" else ""
    yield SettingAdvice(
        "processes",
        at_least,
        advised,
        f"at least {at_least}: {queueing.offered_erlangs(rate, seconds):.1f} busy on average at"
        f" {rate:.0f}/s x {_milliseconds(seconds)}{of_cpu}; {advised} keep the 99th percentile"
        f" of the wait under {_milliseconds(wait)} (M/M/c, Erlang C)",
    )


def _slots(evidence: Evidence) -> Iterator[SettingAdvice]:
    needed = needed_connections(evidence)
    if needed is not None:
        at_least, recommended = math.ceil(needed), math.ceil(needed * RESERVE) + 1
        derivation = f"{needed:.0f} requests at once (rate x response time)"
        yield SettingAdvice("slots", at_least, recommended, derivation)


def _milliseconds(seconds: float) -> str:
    return units.latency(seconds)
