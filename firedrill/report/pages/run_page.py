"""The report page of a single run: verdict, timeline of load, faults and alerts, charts."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.diagnosis import sentences as diagnosis_sentences
from firedrill.report.charts import chart_types, colors, series_style
from firedrill.report.charts.canvas import Canvas, Mark, Marks
from firedrill.report.charts.chart_types import Bar, Chart
from firedrill.report.pages import alert_expectations, capacity_section, matrix_table, sentences
from firedrill.report.pages.render import Table, data_of, render
from firedrill.report.panels import PANELS
from firedrill.report.recorded_series import AlertSpan, Span
from firedrill.report.run_facts import Facts, time_with_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.record.figures import EndpointFigures
    from firedrill.report.panels import Panel
    from firedrill.report.recorded_series import Endpoint, Line, Recording


NOTIFICATIONS = "notifications"
"""Row of the timeline."""


def render_run(facts: Facts, recording: Recording | None) -> str:
    """Return the page as HTML; without a recording it has a warning and no charts."""
    drawn = list(_charts(facts, recording)) if recording else []
    curve = capacity_section.curve(facts)
    drawn = [curve, *drawn] if curve else drawn
    return render(
        "run.html",
        charts=drawn,
        facts=facts,
        title=f"{facts.profile} against {facts.server}",
        warnings=sentences.warnings(facts, recording),
        resolution=sentences.resolution(recording),
        headline_figures=sentences.headline_figures(facts),
        passed=sentences.passed_sentence(facts),
        saturation=sentences.saturation_sentence(facts),
        diagnosis=_diagnosis(facts),
        stages=_stages(facts),
        capacity=capacity_section.sentences(facts),
        trials=capacity_section.trials(facts),
        overload=capacity_section.overload(facts),
        limits=sentences.used_limits(facts),
        measurement_quality=list(sentences.measurement_quality(facts)) if facts("figures") else [],
        alerts=_alerts(facts),
        matrix=matrix_table.table(facts),
        notifications=_notifications(facts),
        endpoints=_endpoints(facts, recording),
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
        drawn = series_style.styled_status_codes(lines, content.unit)
        return chart(chart_types.area_chart(canvas, drawn), drawn)
    drawn = series_style.styled_lines(lines, content.unit)
    return chart(chart_types.line_chart(canvas, drawn, panel.scale), drawn)


def _marks(facts: Facts, recording: Recording) -> Marks:
    start = facts.number("window.start") or 0.0
    return Marks(
        steps=[
            Mark(step["start_seconds"], step["end_seconds"], sentences.step_load(facts, step))
            for step in facts.rows("figures.steps")
        ],
        faults=[
            Mark(fault["start"] - start, fault["end"] - start, sentences.fault_text(fault))
            for fault in facts.rows("faults")
        ],
        gaps=[Mark(gap.start, gap.end, "nothing was recorded") for gap in recording.gaps],
    )


def _timeline(canvas: Canvas, facts: Facts, recording: Recording) -> Chart:
    expected = sentences.expected_alerts(facts)
    spans = _alert_spans(facts, recording)
    shown = sorted(
        (alert for alert in spans if alert.span.start < canvas.end),
        key=lambda alert: alert.span.start,
    )
    expectations = list(alert_expectations.bars(facts, canvas.marks.faults, canvas.end))
    alerts = dict.fromkeys(
        [*(alert.name for alert in shown), *(bar.row for bar in expectations), *expected]
    )
    bars = [
        *(Bar("load", step.start, step.end, colors.LOAD, step.text) for step in canvas.marks.steps),
        *(
            Bar("faults", fault.start, fault.end, colors.ORANGE, fault.text)
            for fault in canvas.marks.faults
        ),
        *expectations,
        *(_alert_bar(alert, canvas.end) for alert in shown),
    ]
    notifications = [
        _notification_mark(notification)
        for notification in facts.rows("notifications")
        if notification.get("status") == "firing" and notification["after_seconds"] < canvas.end
    ]
    fired = {alert.name for alert in spans if alert.state == "firing"}
    missed = [
        Bar(name, 0, 0, "", f"{text}: did not fire")
        for name, text in expected.items()
        if name not in fired
    ]
    rows = [
        "load",
        *(["faults"] if canvas.marks.faults else []),
        *alerts,
        *([NOTIFICATIONS] if notifications else []),
    ]
    return Chart(
        title="Timeline",
        description="Which alerts were expected (blue), pending (pale red) and firing (red), which"
        " notifications were sent, and under which load and faults?",
        figure=chart_types.timeline(canvas, rows, bars, notifications, missed),
        wide=True,
    )


def _alert_spans(facts: Facts, recording: Recording) -> list[AlertSpan]:
    """Return when alerts were pending (from the recording) and firing (from the scorecard).

    An older run.json has no times of firings; then both are from the recording.
    """
    alerts = facts.document.figures.alerts if facts.document.figures else ()
    lacks_times = any(
        alert.firing_after_seconds is not None and not alert.firings for alert in alerts
    )
    if lacks_times or not alerts:
        return list(recording.alerts)
    firings = dict.fromkeys(
        (alert.name, begin, end) for alert in alerts for begin, end in alert.firings
    )
    pending = [alert for alert in recording.alerts if alert.state != "firing"]
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


def _notification_mark(notification: Mapping[str, Any]) -> Bar:
    time = notification["after_seconds"]
    return Bar(
        NOTIFICATIONS,
        time,
        time,
        colors.RED,
        f"{notification.get('receiver', '')} {sentences.clock(time)}:"
        f" {notification.get('alertname', '')}",
    )


# -- tables


def _diagnosis(facts: Facts) -> list[str]:
    """Return the diagnosis as sentences; nothing of an older run."""
    diagnosis = facts.document.diagnosis
    return [*diagnosis_sentences.of_diagnosis(diagnosis), *diagnosis.missing] if diagnosis else []


def _stages(facts: Facts) -> Table | None:
    diagnosis = facts.document.diagnosis
    if diagnosis is None:
        return None
    rows = [
        (
            use.stage.replace("_", " "),
            use.role.replace("_", " "),
            units.percent(use.used_max),
            units.seconds(use.waiting_max)
            if use.stage in {"generator", "cpu"}
            else units.count(use.waiting_max),
            units.seconds(use.saturated_after_seconds),
            units.seconds(use.saturated_seconds) if use.saturated_seconds else units.NOTHING,
        )
        for use in diagnosis.stages
    ]
    heads = ("stage", "role", "most used", "most waiting", "saturated after", "saturated for")
    return Table(heads, rows, texts=(0, 1))


def _alerts(facts: Facts) -> Table:
    expected = sentences.expected_alerts(facts)
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
    fired = {row[0] for row in rows if row[4] != units.NOTHING}
    rows += [
        (name, "", "", units.NOTHING, units.NOTHING, units.NOTHING, f"{text}; never fired")
        for name, text in expected.items()
        if name not in fired
    ]
    return Table(
        (
            "alert",
            "severity",
            "labels",
            "pending after",
            "firing after",
            "fired for",
            "expectation",
        ),
        rows,
        texts=(0, 1, 2, 6),
    )


def _notifications(facts: Facts) -> Table | None:
    """Return the table of notifications; None where no Alertmanager took part."""
    if facts("notifications") is None:
        return None
    rows = [
        (
            sentences.clock(notification.get("after_seconds", 0)),
            notification.get("receiver", ""),
            notification.get("status", ""),
            notification.get("alertname", ""),
            notification.get("summary", ""),
        )
        for notification in facts.rows("notifications")
    ]
    return Table(("after", "receiver", "status", "alert", "summary"), rows, texts=(1, 2, 3, 4))


def _endpoints(facts: Facts, recording: Recording | None) -> Table:
    """Return what the load generator counted; of older runs, what Prometheus has."""
    figures = facts.document.figures
    endpoints: Sequence[EndpointFigures | Endpoint] = figures.endpoints if figures else ()
    if not endpoints and recording:
        endpoints = recording.endpoints
    names = ("p50", "p95", "p99", "max")
    rows = [
        (
            f"{endpoint.method} {endpoint.name}".strip(),
            units.count(endpoint.requests),
            units.rate(endpoint.rate),
            units.percent(endpoint.error_ratio),
            *(units.latency(endpoint.latency_seconds.get(name)) for name in names),
        )
        for endpoint in endpoints
    ]
    return Table(("endpoint", "requests", "rate", "errors", *names), rows)


def _errors(endpoints: Sequence[Endpoint]) -> Table:
    rows = [
        (f"{endpoint.method} {endpoint.name}".strip(), error, units.count(count))
        for endpoint in endpoints
        for error, count in sorted(endpoint.errors.items(), key=lambda item: -item[1])
        if count
    ]
    return Table(("endpoint", "error", "requests"), rows, texts=(0, 1))


def _steps(facts: Facts) -> Table:
    steps = facts.document.figures.steps if facts.document.figures else ()
    rows = [
        (
            f"{sentences.clock(step.start_seconds)}–{sentences.clock(step.end_seconds)}",
            sentences.step_load(facts, asdict(step)),
            units.rate(step.client.offered_rate),
            units.rate(step.client.rate),
            units.percent(step.client.error_ratio),
            *(time_with_waiting(step.client, name) for name in ("p50", "p95", "p99")),
            units.latency(step.server.latency_seconds.get("p99")),
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
            (name, units.latency(facts.number(f"{latency}.{name}")))
            for name in facts.mapping(latency)
        ),
        ("mean", units.latency(facts.number(f"{slo}.mean_seconds"))),
        ("errors", units.percent(facts.number(f"{slo}.error_ratio"))),
        ("starved users", units.count(facts.number(f"{slo}.starved_users"))),
    ]
    objectives = [f"{name} ≤ {bound}" for name, bound in bounds if bound != units.NOTHING]
    if achieved := facts.number(f"{slo}.achieved_ratio"):
        objectives.append(f"achieved ≥ {units.percent(achieved)} of the offered rate")
    if of_endpoints := facts.mapping(f"{slo}.endpoints"):
        objectives.append(f"of {', '.join(of_endpoints)}")
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
