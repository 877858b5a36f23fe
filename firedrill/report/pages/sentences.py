"""Sentences and headline figures of a report, from a run's figures. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.fault_client import spell
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.record.limits import blind_limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.report.recorded_series import Recording
    from firedrill.report.run_facts import Facts


P99_WITH_WAITING = "figures.client.latency_including_waiting_seconds.p99"
LONGEST_IN_SECONDS = 100
"""A longer duration is written in minutes."""

EXPECTATIONS = {
    "always": "expected",
    "if_slo_broken": "expected if the SLO is broken",
    "never": "must not fire",
}
"""Texts by the keys of a profile's expected alerts."""


@dataclass(frozen=True, slots=True)
class HeadlineFigure:
    """A figure at the top of a report: its name, its value, and a note below it."""

    name: str
    value: str
    note: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """A line of the section on measurement quality: a figure and its meaning."""

    name: str
    figure: str
    meaning: str
    bad: bool = False


def headline_figures(facts: Facts) -> list[HeadlineFigure]:
    """Return the figures at the top of the report."""
    slo = facts.number("profile.slo.latency_seconds.p99")
    error_objective = facts.number("profile.slo.error_ratio")
    errors = facts.number("figures.client.error_ratio")
    starved = facts.number("figures.honesty.starved_sustained")
    offered = facts.number("figures.client.offered_rate")
    return [
        HeadlineFigure(
            "p99 client",
            facts.time(P99_WITH_WAITING),
            _slo_note(units.seconds(slo), slo),
            bad=_exceeds(facts.number(P99_WITH_WAITING), slo),
        ),
        HeadlineFigure(
            "p99 server",
            units.seconds(facts.number("figures.server.latency_seconds.p99")),
            "queue wait and handler",
        ),
        HeadlineFigure(
            "achieved",
            units.rate(facts.number("figures.client.rate")),
            "offered: not known" if offered is None else f"of {units.rate(offered)} offered",
        ),
        HeadlineFigure(
            "errors",
            units.percent(errors),
            _slo_note(units.percent(error_objective), error_objective),
            bad=_exceeds(errors, error_objective),
        ),
        HeadlineFigure(
            "starved users",
            units.count(starved),
            "not measured" if starved is None else "waited in one request",
            bad=bool(starved),
        ),
        HeadlineFigure("first saturated resource", *first_saturated(facts)),
    ]


def passed_sentence(facts: Facts) -> str:
    """Return the sentence that explains why a run passed."""
    objectives = (
        "Every objective of the profile was kept"
        if facts.mapping("profile.slo")
        else "The profile sets no objective"
    )
    alerts = ", alerts fired as expected" if expected_alerts(facts) else ""
    return f"{objectives}{alerts}, and the measurement is valid."


def first_saturated(facts: Facts) -> tuple[str, str, bool]:
    """Return the first saturated resource or `none`, a note, and whether there is one."""
    resource = facts("figures.saturation.ran_out_first")
    if resource:
        after = facts.number("figures.saturation.ran_out_after_seconds")
        return str(resource), f"{units.seconds(after)} into the load", True
    nearest = facts("figures.saturation.nearest")
    if not nearest:
        return units.NOTHING, "no limit is known", False
    used = facts.number(f"figures.saturation.largest_ratio.{nearest}")
    return "none", f"nearest: {nearest}, {units.percent(used)}", False


def saturation_sentence(facts: Facts) -> str:
    """Return the sentence that names the first saturated stage, which may be a consequence."""
    resource, note, is_saturated = first_saturated(facts)
    if is_saturated:
        return f"{resource.replace('_', ' ').capitalize()} saturated first, {note}."
    if resource == "none":
        return "No resource saturated."
    return "No limit of the server is known, so the first saturated resource is not known either."


def used_limits(facts: Facts) -> list[tuple[str, float]]:
    """Return (resource, largest used ratio of its limit), the largest ratio first."""
    path = "figures.saturation.largest_ratio"
    ratios = {str(name): facts.number(f"{path}.{name}") for name in facts.mapping(path)}
    return sorted(
        ((name, ratio) for name, ratio in ratios.items() if ratio is not None),
        key=lambda item: -item[1],
    )


def measurement_quality(facts: Facts) -> Iterator[QualityFinding]:
    """Yield what an ordinary load test does not show, and what makes a run invalid."""
    yield from _unanswered(facts)
    yield from _dropped_arrivals(facts)
    answered = facts.number("figures.client.latency_seconds.p99")
    yield QualityFinding(
        "p99 as Locust reports it",
        units.seconds(answered),
        "includes answered requests only. With waiting requests included, the p99 is"
        f" {facts.time(P99_WITH_WAITING)}.",
        _exceeds(facts.number(P99_WITH_WAITING), (answered or 0) * 1.5),
    )
    yield from _generator(facts)
    yield _counted(facts)


def _unanswered(facts: Facts) -> Iterator[QualityFinding]:
    path = "figures.honesty"
    yield QualityFinding(
        "Most in flight",
        units.count(facts.number(f"{path}.in_flight_max")),
        "requests waited for their answer at the same time.",
    )
    oldest = facts.number(f"{path}.oldest_max_seconds")
    yield QualityFinding(
        "Oldest in flight",
        units.seconds(oldest),
        "is the longest time that a request had been in flight. Latency percentiles of answered"
        " requests do not include a request in flight.",
        _exceeds(oldest, 1),
    )
    starved = facts.number(f"{path}.starved_sustained")
    yield QualityFinding(
        "Starved users",
        units.count(starved),
        "were not measured: users may have waited unseen."
        if starved is None
        else "each waited in one request for at least five seconds and sent no other.",
        bool(starved),
    )
    abandoned = facts.number(f"{path}.abandoned.in_flight")
    yield QualityFinding(
        "Abandoned requests",
        units.count(abandoned),
        "had no answer, or not all of its body, when their user was stopped or the connection"
        " broke. Locust does not report this; “waiting included” counts each at its age.",
        _exceeds(abandoned, 10),
    )
    hung = facts.number(f"{path}.hung")
    if hung is not None:
        yield QualityFinding(
            "Hung requests counted as failed",
            units.count(hung),
            "of the abandoned requests had waited longer than 1 s, than every latency objective"
            " and than every answered request.",
            hung > 0,
        )


def _dropped_arrivals(facts: Facts) -> Iterator[QualityFinding]:
    dropped, backlog = (facts.number(f"figures.arrivals.{name}") for name in ("unsent", "left"))
    if dropped is not None:
        yield QualityFinding(
            "Dropped arrivals",
            units.count(dropped),
            "were dropped: no user was free in time, or their worker was lost. “Waiting"
            " included” counts each at its age, and the SLO counts it as too slow.",
            dropped > 0,
        )
    if backlog is not None:
        yield QualityFinding(
            "Backlog at end",
            units.count(backlog),
            "arrivals still waited at the end of the load for slots that requests in flight"
            " occupied. “Waiting included” counts each at its age.",
            backlog > 0,
        )


def _generator(facts: Facts) -> Iterator[QualityFinding]:
    exceptions = facts.number("figures.honesty.exceptions")
    if exceptions is not None:
        yield QualityFinding(
            "Task exceptions",
            units.count(exceptions),
            "tasks ended with an exception and sent no further request. More than 1 % of them"
            " make a run INVALID.",
            exceptions > 0,
        )
    cpu = facts.number("figures.honesty.generator_cpu_max_ratio")
    yield QualityFinding(
        "Generator CPU",
        units.percent(cpu),
        "of one core is the most that a process of the load generator used. Above 90 %, its own"
        " delays are in every latency.",
        _exceeds(cpu, 0.9),
    )
    yield QualityFinding(
        "Event loop lag",
        units.percent(facts.number("figures.honesty.generator_lag_ratio")),
        "of the time, the load generator's event loop was late. A run is INVALID if it is late by"
        " more than a fifth of the strictest latency objective for 1 % of a minute.",
        "loop_lag" in facts.mapping("figures.invalid"),
    )
    unobserved = facts.number("figures.blind_seconds")
    limit = blind_limit(facts.number("figures.seconds") or inf)  # Older runs lack it.
    yield QualityFinding(
        "Longest scrape gap",
        units.seconds(unobserved),
        "is the longest time without a scrape of the load generator. More than"
        f" {units.seconds(limit)} makes the run INVALID.",
        _exceeds(unobserved, limit),
    )


def _counted(facts: Facts) -> QualityFinding:
    made, failed, finished = (
        facts.number(f"figures.counts.{name}")
        for name in ("client_requests", "client_failures", "server_finished")
    )
    if finished is None:
        server = "The server does not count them"
    elif facts("figures.counts.comparable") is False:
        server = (
            f"The server finished {units.count(finished)} at least: a process restarted, or was not"
            " scraped at the end, so the two counts cannot be compared"
        )
    else:
        server = f"The server finished {units.count(finished)}"
    return QualityFinding(
        "Requests counted",
        units.count(made),
        f"requests were answered or failed at the client; {units.count(failed)} failed. {server}."
        f"{''.join(_not_judged(facts))}",
    )


def _not_judged(facts: Facts) -> Iterator[str]:
    """Yield the time of set-up and of tear-down; nothing in older runs."""
    for word in ("set-up", "tear-down"):
        name = word.replace("-", "")
        seconds = facts.number(f"figures.{name}_seconds")
        if seconds is not None:
            sent = units.count(facts.number(f"figures.counts.outside_load.{name}") or 0)
            yield f" {word.capitalize()}: {units.seconds(seconds)}, with {sent} more requests."


def warnings(facts: Facts, recording: Recording | None) -> list[str]:
    """Return the warnings to read before any figure."""
    texts = [str(remark.get("text", "")) for remark in facts.rows("remarks")]
    texts += [text for text in (facts.version_warning, facts.damage_warning) if text]
    if recording is None:
        texts.append(
            "Nothing was recorded in this run: there are no charts, and figures are missing."
        )
        return texts
    texts += [
        f"Nothing was recorded from {clock(gap.start)} to {clock(gap.end)}; the charts are blank"
        " and hatched there."
        for gap in recording.gaps
    ]
    if facts.status == "INTERRUPTED":
        texts.append(
            f"The run was cut short after {clock(recording.seconds)}; its figures cover only that"
            " part."
        )
    return texts


def resolution(recording: Recording | None) -> str:
    """Return a sentence on the resolution of the charts; empty where it is one second."""
    if recording is None or recording.step_seconds <= 1:
        return ""
    return (
        f"The charts have a point every {recording.step_seconds:g} s; the figures in the text use"
        " every second."
    )


def clock(seconds: float) -> str:
    """Return minutes and seconds as on the time axis of charts, `1:05`."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def duration(seconds: float) -> str:
    """Return a duration, `85 s` or `30:00 min`."""
    return units.seconds(seconds) if seconds < LONGEST_IN_SECONDS else f"{clock(seconds)} min"


def step_load(facts: Facts, step: Mapping[str, Any]) -> str:
    """Return the load of a step: users, or arrivals a second in an open workload."""
    planned = facts.rows("profile.steps")[step.get("index", 0) :][:1]
    rate = step.get("arrival_rate")
    if rate is None and planned:  # Steps of older runs do not record their rate.
        rate = planned[0].get("rate")
    measured_users = step.get("users_measured")
    if isinstance(measured_users, int | float):
        return f"{units.count(measured_users)} users of the locustfile's own shape"
    if isinstance(rate, int | float):
        return f"{rate:g} arrivals/s"
    return f"{step['users']} user{'' if step['users'] == 1 else 's'}"


def expected_alerts(facts: Facts) -> dict[str, str]:
    """Return the profile's expectation of each alert, in general and of injected faults."""
    faults: dict[str, list[str]] = {}
    for fault in facts.rows("faults"):
        for alert in fault["alerts"]:
            faults.setdefault(alert, []).append(fault_text(fault))
    of_profile = {
        str(alert): text
        for key, text in EXPECTATIONS.items()
        for alert in facts.texts(f"profile.alerts.{key}")
    }
    return {alert: f"expected during {joined(names)}" for alert, names in faults.items()} | (
        of_profile
    )


def fault_text(fault: Mapping[str, Any]) -> str:
    """Return an injected fault with its size, as in a profile."""
    if fault["fault"] in FAULT_KINDS:
        return spell(fault["fault"], fault["size"])
    return str(fault["fault"])


def _slo_note(text: str, objective: float | None) -> str:
    return f"SLO {text}" if objective is not None else "no SLO"


def _exceeds(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit


def joined(names: Sequence[str]) -> str:
    """Return names as a list in a sentence, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
