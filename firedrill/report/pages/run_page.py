"""The page of one run."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.report.charts import chart_types, colors, series_style
from firedrill.report.charts.canvas import Canvas, Mark, Marks
from firedrill.report.charts.chart_types import Bar, Chart
from firedrill.report.charts.panels import PANELS
from firedrill.report.pages import alert_expectations, matrix_table, sentences
from firedrill.report.pages.render import Table, data_of, render
from firedrill.report.recorded_series import AlertSpan, Span
from firedrill.report.run_facts import Facts, time_with_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.report.charts.panels import Panel
    from firedrill.report.recorded_series import Endpoint, Line, Recording


def of_run(facts: Facts, recording: Recording | None) -> str:
    """The page as HTML; without a recording it has no charts, and says so."""
    drawn = list(_charts(facts, recording)) if recording else []
    return render(
        "run.html",
        charts=drawn,
        facts=facts,
        title=f"{facts.profile} against {facts.server}",
        warnings=sentences.warnings(facts, recording),
        resolution=sentences.resolution(recording),
        strip=sentences.strip(facts),
        passed=sentences.passed(facts),
        saturation=sentences.saturation(facts),
        limits=sentences.limits(facts),
        honesty=list(sentences.honesty(facts)) if facts("figures") else [],
        alerts=_alerts(facts),
        matrix=matrix_table.table(facts),
        notifications=_notifications(facts),
        endpoints=_endpoints(recording.endpoints) if recording else None,
        errors=_errors(recording.endpoints) if recording else None,
        steps=_steps(facts),
        environment=_environment(facts),
        data=data_of([recording] if recording else [], [facts.content]),
    )


# -- charts


def _charts(facts: Facts, recording: Recording) -> Iterator[Chart]:
    canvas = Canvas(recording.times, recording.seconds, _marks(facts, recording))
    yield _timeline(canvas, facts, recording)
    for panel in PANELS:
        lines = [line for line in recording.lines[panel.name] if line.largest is not None]
        if lines or not panel.optional:
            yield _chart(canvas, panel, lines)


def _chart(canvas: Canvas, panel: Panel, lines: Sequence[Line]) -> Chart:
    content = panel.content
    chart = partial(
        Chart,
        content.title,
        content.description,
        empty_text=content.empty_text or chart_types.NOTHING,
    )
    if not lines:
        return chart(None)
    if panel.kind == "heatmap":
        return chart(chart_types.heatmap(canvas, lines))
    if panel.kind == "areas":
        drawn = series_style.of_statuses(lines, content.unit)
        return chart(chart_types.areas(canvas, drawn), drawn)
    drawn = series_style.of_lines(lines, content.unit)
    return chart(chart_types.lines(canvas, drawn, panel.scale), drawn)


def _marks(facts: Facts, recording: Recording) -> Marks:
    start = facts.number("window.start") or 0.0
    return Marks(
        steps=[
            Mark(step["start_seconds"], step["end_seconds"], sentences.load_of(facts, step))
            for step in facts.rows("figures.steps")
        ],
        faults=[
            Mark(fault["start"] - start, fault["end"] - start, sentences.fault_of(fault))
            for fault in facts.rows("faults")
        ],
        gaps=[Mark(gap.start, gap.end, "nothing was recorded") for gap in recording.gaps],
    )


def _timeline(canvas: Canvas, facts: Facts, recording: Recording) -> Chart:
    expected = sentences.alerts_expected(facts)
    spans = _alert_spans(facts, recording)
    began = sorted(
        (each for each in spans if each.span.start < canvas.end), key=lambda each: each.span.start
    )
    awaited = list(alert_expectations.bars(facts, canvas.marks.faults, canvas.end))
    alerts = dict.fromkeys(
        [*(each.name for each in began), *(each.row for each in awaited), *expected]
    )
    bars = [
        *(Bar("load", step.start, step.end, colors.LOAD, step.text) for step in canvas.marks.steps),
        *(
            Bar("faults", fault.start, fault.end, colors.ORANGE, fault.text)
            for fault in canvas.marks.faults
        ),
        *awaited,
        *(_alert_bar(each, canvas.end) for each in began),
    ]
    told = [
        _told(note)
        for note in facts.rows("notifications")
        if note.get("status") == "firing" and note["after_seconds"] < canvas.end
    ]
    fired = {each.name for each in spans if each.state == "firing"}
    missed = [
        Bar(name, 0, 0, "", f"{text}: did not fire")
        for name, text in expected.items()
        if name not in fired
    ]
    rows = [
        "load",
        *(["faults"] if canvas.marks.faults else []),
        *alerts,
        *(["who is told"] if told else []),
    ]
    return Chart(
        title="What happened when",
        description="Which alerts were expected (blue), pending (pale red) and firing (red), and who was told, under which load and faults?",
        figure=chart_types.timeline(canvas, rows, bars, told, missed),
        wide=True,
    )


def _alert_spans(facts: Facts, recording: Recording) -> list[AlertSpan]:
    """What alerts did: they fired when the scorecard says so. An older run.json has no such times, and none has those of the pending."""
    alerts = facts.document.figures.alerts if facts.document.figures else ()
    lacks_times = any(
        alert.firing_after_seconds is not None and not alert.firings for alert in alerts
    )
    if lacks_times or not alerts:
        return list(recording.alerts)
    firings = dict.fromkeys(
        (alert.name, begin, end) for alert in alerts for begin, end in alert.firings
    )
    pending = [each for each in recording.alerts if each.state != "firing"]
    return [
        *pending,
        *(AlertSpan(name, "firing", Span(begin, end)) for name, begin, end in firings),
    ]


def _alert_bar(alert: AlertSpan, end: float) -> Bar:
    start, stop = max(0.0, alert.span.start), min(end, max(alert.span.end, alert.span.start + 1))
    text = f"{alert.name} {alert.state}, {sentences.clock(start)}–{sentences.clock(stop)}"
    return Bar(
        alert.name, start, stop, colors.RED if alert.state == "firing" else colors.PENDING, text
    )


def _told(note: Mapping[str, Any]) -> Bar:
    at = note["after_seconds"]
    return Bar(
        "who is told",
        at,
        at,
        colors.RED,
        f"{note.get('receiver', '')} {sentences.clock(at)}: {note.get('alertname', '')}",
    )


# -- tables


def _alerts(facts: Facts) -> Table:
    expected = sentences.alerts_expected(facts)
    rows = [
        (
            alert.get("name", ""),
            alert.get("severity", ""),
            " ".join(f"{name}={value}" for name, value in alert.get("labels", {}).items()),
            units.seconds(alert.get("pending_after_seconds")),
            units.seconds(alert.get("firing_after_seconds")),
            units.seconds(alert.get("firing_seconds"))
            if alert.get("firing_after_seconds") is not None
            else units.NOTHING,
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
    return Table(
        (
            "alert",
            "severity",
            "labels",
            "pending after",
            "firing after",
            "fired for",
            "profile says",
        ),
        rows,
        texts=(0, 1, 2, 6),
    )


def _notifications(facts: Facts) -> Table | None:
    """None where nobody could have been told."""
    if facts("notifications") is None:
        return None
    rows = [
        (
            sentences.clock(note.get("after_seconds", 0)),
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
    steps = facts.document.figures.steps if facts.document.figures else ()
    rows = [
        (
            f"{sentences.clock(step.start_seconds)}–{sentences.clock(step.end_seconds)}",
            sentences.load_of(facts, asdict(step)),
            units.rate(step.client.offered_rate),
            units.rate(step.client.rate),
            units.percent(step.client.error_ratio),
            *(time_with_waiting(step.client, name) for name in ("p50", "p95", "p99")),
            units.seconds(step.server.latency_seconds.get("p99")),
        )
        for step in steps
    ]
    return Table(
        ("time", "load", "offered", "achieved", "errors", "p50", "p95", "p99", "server p99"), rows
    )


def _environment(facts: Facts) -> list[tuple[str, str]]:
    slo, latency = "profile.slo", "profile.slo.latency_seconds"
    bounds = [
        *(
            (name, units.seconds(facts.number(f"{latency}.{name}")))
            for name in facts.mapping(latency)
        ),
        ("errors", units.percent(facts.number(f"{slo}.error_ratio"))),
        ("starved users", units.count(facts.number(f"{slo}.starved_users"))),
    ]
    objectives = [f"{name} ≤ {bound}" for name, bound in bounds if bound != units.NOTHING]
    baseline = facts("baseline.id")
    rows = {
        "run": facts.id,
        "profile": " – ".join(
            dict.fromkeys(
                str(facts(f"profile.{name}") or units.NOTHING) for name in ("name", "title")
            )
        ),
        "target": str(facts("target") or units.NOTHING),
        "server": facts.server,
        "locustfile": str(
            facts("generator.locustfile.name")
            or ("the bundled one" if facts("generator") else units.NOTHING)
        ),
        "locustfile's sha256": str(facts("generator.locustfile.sha256") or units.NOTHING),
        "workers": units.count(facts.number("generator.workers")),
        "in containers": {True: "yes", False: "no"}.get(facts("generator.docker"), units.NOTHING),
        "objectives": ", ".join(objectives) or "none",
        "baseline": f"{baseline}, {units.percent(facts.number('baseline.tolerance'))} tolerated"
        if baseline
        else "none",
        "time scale of the alert rules": f"{facts.number('time_scale') or 1:g}",
    }
    return [
        *rows.items(),
        *((str(name), str(value)) for name, value in facts.mapping("versions").items()),
    ]
