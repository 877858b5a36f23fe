"""The page of one run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.contract import FAULT_KINDS
from firedrill.faults import spell
from firedrill.report import charts, colors, words
from firedrill.report.charts import Canvas, Chart
from firedrill.report.facts import Facts
from firedrill.report.panels import PANELS
from firedrill.report.render import Table, data_of, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.report.panels import Panel
    from firedrill.report.recording import Endpoint, Recording


def of_run(facts: Facts, recording: Recording | None) -> str:
    """The page as HTML; without a recording it has no charts, and says so."""
    drawn = list(_charts(facts, recording)) if recording else []
    return render(
        "run.html",
        charts=drawn,
        facts=facts,
        title=f"{facts.profile} against {facts.server}",
        warnings=words.warnings(facts, recording),
        strip=words.strip(facts),
        saturation=words.saturation(facts),
        limits=words.limits(facts),
        honesty=list(words.honesty(facts)) if facts("figures") else [],
        alerts=_alerts(facts),
        notifications=_notifications(facts),
        endpoints=_endpoints(recording.endpoints) if recording else None,
        errors=_errors(recording.endpoints) if recording else None,
        steps=_steps(facts),
        environment=_environment(facts),
        data=data_of([recording] if recording else [], [facts.document]),
    )


# -- charts


def _charts(facts: Facts, recording: Recording) -> Iterator[Chart]:
    faults = list(_faults(facts))
    canvas = Canvas(recording.times, recording.seconds, charts.marks_of(recording, facts.rows("figures.steps"), faults))
    yield _timeline(canvas, facts, recording, faults)
    for panel in PANELS:
        yield _chart(canvas, panel, recording)


def _chart(canvas: Canvas, panel: Panel, recording: Recording) -> Chart:
    signal, lines = panel.signal, recording.lines[panel.name]
    chart = partial(Chart, title=signal.title, question=signal.question, when_empty=signal.when_empty or charts.NO_LINE)
    if not any(line.largest is not None for line in lines):
        return chart(figure=None)
    if panel.kind == "heatmap":
        return chart(figure=canvas.heatmap(lines))
    if panel.kind == "areas":
        return chart(figure=canvas.areas(lines, signal.unit), keys=charts.status_keys(lines, signal.unit))
    return chart(figure=canvas.lines(lines, signal.unit, panel.scale), keys=charts.keys(lines, signal.unit))


def _faults(facts: Facts) -> Iterator[tuple[float, float, str]]:
    start = facts.number("window.start") or 0.0
    for fault in facts.rows("faults"):
        kind = str(fault.get("fault"))
        text = spell(kind, fault["size"]) if kind in FAULT_KINDS else kind
        yield fault["start"] - start, fault["end"] - start, text


def _timeline(canvas: Canvas, facts: Facts, recording: Recording, faults: Sequence[tuple[float, float, str]]) -> Chart:
    expected = words.alerts_expected(facts)
    names = list(dict.fromkeys([*(span.name for span in sorted(recording.alerts, key=lambda each: each.span.start)), *expected]))
    told = [(note["after_seconds"], _told(note)) for note in facts.rows("notifications") if note.get("status") == "firing"]
    rows = ["load", *(["faults"] if faults else []), *(f"alert {name}" for name in names), *(["who is told"] if told else [])]
    row = {name: at for at, name in enumerate(rows)}
    end = recording.seconds
    bars = [(row["load"], start, stop, colors.STEP, text) for start, stop, text in canvas.marks.steps]
    bars += [(row["faults"], start, stop, colors.ORANGE, text) for start, stop, text in faults]
    for span in recording.alerts:
        color = colors.RED if span.state == "firing" else "#E9A9A3"
        text = f"{span.name} {span.state}, {words.clock(span.span.start)}–{words.clock(span.span.end)}"
        bars.append((row[f"alert {span.name}"], max(0, span.span.start), min(end, max(span.span.end, span.span.start + 1)), color, text))
    return Chart(
        title="What happened when",
        question="Which alerts were pending (pale) and firing (red), and who would have been told, under which load and which faults?",
        figure=canvas.timeline(rows, bars, [(time, text) for time, text in told if time <= end]),
        wide=True,
    )


def _told(note: Mapping[str, Any]) -> str:
    return f"{note.get('receiver', '')} {words.clock(note['after_seconds'])}: {note.get('alertname', '')}"


# -- tables


def _alerts(facts: Facts) -> Table:
    expected = words.alerts_expected(facts)
    rows = [
        (
            alert.get("name", ""),
            alert.get("severity", ""),
            " ".join(f"{name}={value}" for name, value in alert.get("labels", {}).items()),
            units.seconds(alert.get("pending_after_seconds")),
            units.seconds(alert.get("firing_after_seconds")),
            units.seconds(alert.get("firing_seconds")) if alert.get("firing_after_seconds") is not None else units.NOTHING,
            expected.get(str(alert.get("name")), ""),
        )
        for alert in facts.rows("figures.alerts")
    ]
    seen = {row[0] for row in rows if row[4] != units.NOTHING}
    rows += [
        (name, "", "", units.NOTHING, units.NOTHING, units.NOTHING, f"{text}; never fired")
        for name, text in expected.items()
        if name not in seen
    ]
    return Table(("alert", "severity", "labels", "pending after", "firing after", "fired for", "profile says"), rows, texts=(0, 1, 2, 6))


def _notifications(facts: Facts) -> Table | None:
    """None where nobody could have been told."""
    if facts("notifications") is None:
        return None
    rows = [
        (
            words.clock(note.get("after_seconds", 0)),
            note.get("receiver", ""),
            note.get("status", ""),
            note.get("alertname", ""),
            note.get("summary", ""),
        )
        for note in facts.rows("notifications")
    ]
    return Table(("after", "who", "status", "alert", "what they read"), rows, texts=(1, 2, 3, 4))


def _endpoints(endpoints: Sequence[Endpoint]) -> Table:
    rows = [
        (
            f"{each.method} {each.name}".strip(),
            units.count(each.requests),
            units.rate(each.rate),
            units.percent(each.error_ratio),
            *(units.seconds(each.latency_seconds[name]) for name in ("p50", "p95", "p99")),
        )
        for each in endpoints
    ]
    return Table(("endpoint", "requests", "rate", "errors", "p50", "p95", "p99"), rows)


def _errors(endpoints: Sequence[Endpoint]) -> Table:
    rows = [
        (f"{each.method} {each.name}".strip(), error, units.count(count))
        for each in endpoints
        for error, count in sorted(each.errors.items(), key=lambda item: -item[1])
        if count
    ]
    return Table(("endpoint", "error", "requests"), rows, texts=(0, 1))


def _steps(facts: Facts) -> Table:
    rows = []
    for step in (Facts(facts.id, row) for row in facts.rows("figures.steps")):
        start, end = step.number("start_seconds") or 0.0, step.number("end_seconds") or 0.0
        rows.append(
            (
                f"{words.clock(start)}–{words.clock(end)}",
                units.count(step.number("users")),
                units.rate(step.number("client.offered_rate")),
                units.rate(step.number("client.rate")),
                units.percent(step.number("client.error_ratio")),
                *(units.seconds(step.number(f"client.latency_including_waiting_seconds.{name}")) for name in ("p50", "p95", "p99")),
                units.seconds(step.number("server.latency_seconds.p99")),
            )
        )
    return Table(("time", "users", "offered", "achieved", "errors", "p50", "p95", "p99", "server p99"), rows)


def _environment(facts: Facts) -> list[tuple[str, str]]:
    slo = facts.mapping("profile.slo")
    objectives = [f"{name} ≤ {units.seconds(bound)}" for name, bound in facts.mapping("profile.slo.latency_seconds").items()]
    if slo.get("error_ratio") is not None:
        objectives.append(f"errors ≤ {units.percent(slo['error_ratio'])}")
    if slo.get("starved_users") is not None:
        objectives.append(f"starved users ≤ {slo['starved_users']}")
    baseline = facts.mapping("baseline")
    rows = {
        "run": facts.id,
        "profile": " – ".join(dict.fromkeys(str(facts(f"profile.{name}") or units.NOTHING) for name in ("name", "title"))),
        "target": str(facts("target") or units.NOTHING),
        "server": facts.server,
        "objectives": ", ".join(objectives) or "none",
        "baseline": f"{baseline['id']}, {units.percent(baseline.get('tolerance'))} tolerated" if baseline.get("id") else "none",
        "time scale of the alert rules": f"{facts.number('time_scale') or 1:g}",
    }
    return [*rows.items(), *((str(name), str(value)) for name, value in facts.mapping("versions").items())]
