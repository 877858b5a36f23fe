"""What a run's figures mean, in sentences. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.contract import FAULT_KINDS
from firedrill.fault_client import spell
from firedrill.record.limits import blind_limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.report.recorded_series import Recording
    from firedrill.report.run_facts import Facts


P99_WITH_WAITING = "figures.client.latency_including_waiting_seconds.p99"
LONGEST_IN_SECONDS = 100
"""A longer time is told in minutes."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A large number with its name, and what stands below it."""

    name: str
    value: str
    note: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of the honesty section: what was looked at, the figure, and what it means."""

    name: str
    figure: str
    meaning: str
    bad: bool = False


def strip(facts: Facts) -> list[Cell]:
    """The figures that are seen first."""
    client, honesty = "figures.client", "figures.honesty"
    slo, waiting = facts.number("profile.slo.latency_seconds.p99"), facts.number(P99_WITH_WAITING)
    errors, accepted = (
        facts.number(f"{client}.error_ratio"),
        facts.number("profile.slo.error_ratio"),
    )
    starved, offered = (
        facts.number(f"{honesty}.starved_sustained"),
        facts.number(f"{client}.offered_rate"),
    )
    of_what = "offered: not known" if offered is None else f"of {units.rate(offered)} offered"
    return [
        Cell(
            "p99 client",
            facts.time(P99_WITH_WAITING),
            _of_slo(units.seconds(slo), slo),
            bad=_above(waiting, slo),
        ),
        Cell(
            "p99 server",
            units.seconds(facts.number("figures.server.latency_seconds.p99")),
            "queue and handler",
        ),
        Cell("achieved", units.rate(facts.number(f"{client}.rate")), of_what),
        Cell(
            "errors",
            units.percent(errors),
            _of_slo(units.percent(accepted), accepted),
            bad=_above(errors, accepted),
        ),
        Cell("starved users", units.count(starved), "stuck in one request", bad=bool(starved)),
        Cell("ran out first", *exhausted(facts)),
    ]


def passed(facts: Facts) -> str:
    """What it means that a run passed."""
    kept = (
        "Every objective of the profile was kept"
        if facts.mapping("profile.slo")
        else "The profile has no objective that could be broken"
    )
    return f"{kept}{', alerts did what it expects of them' if alerts_expected(facts) else ''}, and the measurement can be trusted."


def exhausted(facts: Facts) -> tuple[str, str, bool]:
    """The resource that ran out first, when, and whether one did."""
    first, after = (
        facts("figures.saturation.ran_out_first"),
        facts.number("figures.saturation.ran_out_after_seconds"),
    )
    if first:
        return str(first), f"{units.seconds(after)} into the load", True
    nearest = facts("figures.saturation.nearest")
    if not nearest:
        return units.NOTHING, "no limit is known", False
    used = facts.number(f"figures.saturation.largest_ratio.{nearest}")
    return "nothing", f"nearest: {nearest}, {units.percent(used)}", False


def saturation(facts: Facts) -> str:
    """What to raise, in a sentence."""
    first, after, ran_out = exhausted(facts)
    if ran_out:
        return f"{first.capitalize()} ran out first, {after}: nine tenths of the limit were in use for 3 s. Raise that limit first."
    return (
        "Nothing ran out."
        if first == "nothing"
        else "No limit of the server is known, so nothing can be said about what runs out."
    )


def limits(facts: Facts) -> list[tuple[str, float]]:
    """How much of each limit was used at most, the fullest first."""
    at = "figures.saturation.largest_ratio"
    used = {str(name): facts.number(f"{at}.{name}") for name in facts.mapping(at)}
    return sorted(
        ((name, ratio) for name, ratio in used.items() if ratio is not None),
        key=lambda item: -item[1],
    )


def honesty(facts: Facts) -> Iterator[Statement]:
    """What an ordinary load test does not tell."""
    at = "figures.honesty"
    in_flight, oldest = (
        facts.number(f"{at}.in_flight_max"),
        facts.number(f"{at}.oldest_max_seconds"),
    )
    late = oldest is not None and oldest > 1
    yield Statement(
        "In flight, most",
        units.count(in_flight),
        "requests waited for their answer at the same time.",
    )
    hung = "Until it is answered or given up, a request is in no latency figure of an ordinary load test."
    yield Statement(
        "Oldest in flight",
        units.seconds(oldest),
        f"is how long one request had waited. {hung}",
        late,
    )
    starved = facts.number(f"{at}.starved_sustained")
    yield Statement(
        "Starved users",
        units.count(starved),
        "sat in one request for five seconds on end and asked for nothing else.",
        bool(starved),
    )
    abandoned = facts.number(f"{at}.abandoned.in_flight")
    forgotten = "requests were given up when their user was stopped. Locust forgets them; “waiting included” counts each at the age it had."
    yield Statement("Abandoned", units.count(abandoned), forgotten, (abandoned or 0) > 10)
    given_up = facts.number(f"{at}.hung")
    if given_up is not None:
        failed = "had waited for longer than a second, any latency objective and any answer."
        yield Statement("Of them failed", units.count(given_up), failed, given_up > 0)
    yield from _never_sent(facts)
    answered, waiting = (
        facts.number("figures.client.latency_seconds.p99"),
        facts.number(P99_WITH_WAITING),
    )
    apart = f"is the p99 of the answered alone; with the waiting: {facts.time(P99_WITH_WAITING)}. An ordinary report shows the first."
    yield Statement(
        "What Locust reports",
        units.seconds(answered),
        apart,
        _above(waiting, (answered or 0) * 1.5),
    )
    yield from _generator(facts)
    yield _counted(facts)


def _never_sent(facts: Facts) -> Iterator[Statement]:
    unsent, left = (facts.number(f"figures.arrivals.{name}") for name in ("unsent", "left"))
    age = "“waiting included” counts each at the age it had"
    if unsent is not None:
        why = "no slot became free in time, or their worker was gone"
        yield Statement(
            "Never sent",
            units.count(unsent),
            f"arrivals were dropped: {why}; {age}, the SLO as too slow.",
            unsent > 0,
        )
    if left is not None:
        why = "still waiting at the end, for slots that requests in flight held"
        yield Statement(
            "Left at the end",
            units.count(left),
            f"arrivals were never sent either: {why}; {age}.",
            left > 0,
        )


def _generator(facts: Facts) -> Iterator[Statement]:
    raised = facts.number("figures.honesty.exceptions")
    if raised is not None:
        lost = "tasks ended with an exception, and asked for nothing more; more than 1 % of them void the run."
        yield Statement("Tasks crashed", units.count(raised), lost, raised > 0)
    cpu, lag = (
        facts.number("figures.honesty.generator_cpu_max_ratio"),
        facts.number("figures.honesty.generator_lag_ratio"),
    )
    busy = "of one core is what the load generator used at most; above 90 % its own slowness would be in every figure."
    yield Statement("Generator CPU", units.percent(cpu), busy, _above(cpu, 0.9))
    late = "of the time the load generator's event loop was late. "
    late += "A fifth of the strictest latency objective for 1 % of a minute voids a run."
    yield Statement(
        "Generator late", units.percent(lag), late, "loop_lag" in facts.mapping("figures.invalid")
    )
    blind = facts.number("figures.blind_seconds")
    limit = blind_limit(facts.number("figures.seconds") or inf)  # Older runs do not tell.
    unseen = f"was the longest time for which nothing was recorded of the load generator; more than {units.seconds(limit)} voids the run."
    yield Statement("Unseen", units.seconds(blind), unseen, _above(blind, limit))


def _counted(facts: Facts) -> Statement:
    made, failed, finished = (
        facts.number(f"figures.counts.{name}")
        for name in ("client_requests", "client_failures", "server_finished")
    )
    on_the_server = (
        "the server counts none of them"
        if finished is None
        else f"the server finished {units.count(finished)}"
    )
    meaning = (
        f"requests came back to the client, {units.count(failed)} of them failed; {on_the_server}."
    )
    return Statement("Counted", units.count(made), meaning)


def warnings(facts: Facts, recording: Recording | None) -> list[str]:
    """What a reader has to know before any figure."""
    said = [str(remark.get("text", "")) for remark in facts.rows("remarks")]
    said += [sentence for sentence in (facts.age, facts.damage) if sentence]
    if recording is None:
        said.append(
            "Nothing was recorded in this run: there are no charts, and figures are missing."
        )
        return said
    blank = "the charts are hatched and blank there"
    said += [
        f"Nothing was recorded from {clock(gap.start)} to {clock(gap.end)}; {blank}."
        for gap in recording.gaps
    ]
    if facts.status == "INTERRUPTED":
        said.append(
            f"The run was cut short after {clock(recording.seconds)}; the figures are of that part."
        )
    return said


def resolution(recording: Recording | None) -> str:
    """How fine the charts are, where a point is not a second."""
    if recording is None or recording.step_seconds <= 1:
        return ""
    return f"The charts have a point every {recording.step_seconds:g} s; the figures in the text come from every second."


def clock(seconds: float) -> str:
    """`1:05`, minutes and seconds, as on the charts' axis."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def lasting(seconds: float) -> str:
    """`85 s`, `30:00 min`."""
    return units.seconds(seconds) if seconds < LONGEST_IN_SECONDS else f"{clock(seconds)} min"


def load_of(facts: Facts, step: Mapping[str, Any]) -> str:
    """A step of the load: its users, or its arrivals where they do not wait for answers."""
    asked = facts.rows("profile.steps")[step.get("index", 0) :][:1]
    rate, running = step.get("arrival_rate"), step.get("users_measured")
    if rate is None and asked:  # Steps of older runs do not record their rate.
        rate = asked[0].get("rate")
    if isinstance(running, int | float):
        return f"{units.count(running)} users of the locustfile's own shape"
    if isinstance(rate, int | float):
        return f"{rate:g} arrivals/s"
    return f"{step['users']} user{'' if step['users'] == 1 else 's'}"


def alerts_expected(facts: Facts) -> dict[str, str]:
    """What the profile expects of alerts, by name: at all, and of the faults that were set."""
    of_faults: dict[str, list[str]] = {}
    for fault in facts.rows("faults"):
        for name in fault["alerts"]:
            of_faults.setdefault(name, []).append(fault_of(fault))
    said = {
        "always": "expected",
        "if_slo_broken": "expected if the SLO is broken",
        "never": "must not fire",
    }
    profile = {
        str(name): text
        for key, text in said.items()
        for name in facts.texts(f"profile.alerts.{key}")
    }
    return {name: f"expected of {joined(faults)}" for name, faults in of_faults.items()} | profile


def fault_of(fault: Mapping[str, Any]) -> str:
    """A fault that was set, as people spell it."""
    return (
        spell(fault["fault"], fault["size"])
        if fault["fault"] in FAULT_KINDS
        else str(fault["fault"])
    )


def _of_slo(text: str, bound: float | None) -> str:
    return f"SLO {text}" if bound is not None else "no SLO"


def _above(value: float | None, bound: float | None) -> bool:
    return value is not None and bound is not None and value > bound


def joined(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return (
        names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
    )
