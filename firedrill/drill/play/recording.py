"""The recording of a run: its samples kept, its figures measured and judged, run.json written."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TypeAlias

from firedrill.alerts.backtest import attribution_window
from firedrill.alerts.rules import rule_file
from firedrill.diagnosis import prediction
from firedrill.diagnosis.diagnose import diagnose
from firedrill.drill.judge import default_objectives, notes, scorecard
from firedrill.drill.judge.validity import ended_early
from firedrill.drill.judge.verdict import AGAINST_API, judge
from firedrill.drill.measure import alert_history, recorded_notifications
from firedrill.drill.measure.measurement import Measurement
from firedrill.errors import BadInput, FiredrillError
from firedrill.names import without_userinfo
from firedrill.notifications.journal import Journal
from firedrill.notifications.notification import HEARTBEAT
from firedrill.processes import commit
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record import run_folder
from firedrill.record.figures import Window
from firedrill.record.limits import SCHEMA, TAIL_SECONDS
from firedrill.record.outcome import Reason, Verdict
from firedrill.record.run_document import (
    BaselineUsed,
    PlayedProfile,
    RunDocument,
    ServerSetup,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.drill.play.run_state import RunState
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.diagnosis import Diagnosis
    from firedrill.record.figures import Figures
    from firedrill.record.run_document import RecordedNotification

    Measured: TypeAlias = tuple[Window | None, Figures | None, Diagnosis | None]

LATE_SAMPLES_SECONDS = 30.0
"""A receiver of samples that is further behind has not taken them; they go there every 5 s."""
LAST_NOTIFICATIONS_SECONDS = 15.0
"""Time that the receiver may take for its last list of notifications."""

EARLIER_RUNS = 50
"""Runs of the same folder among which the prediction of a run is looked for."""


def record(state: RunState) -> None:
    """Measure and judge the run, and write its run.json."""
    state.run.write(_judged(state, *measured(state)))


def measured(state: RunState) -> Measured:
    """Keep the run's samples, measure its load and diagnose it; None: nothing was recorded."""
    stack, run = state.stack, state.run
    state.progress.phase("measuring and recording")
    stack.fetch_notifications(patience_seconds=LAST_NOTIFICATIONS_SECONDS)
    found: Measured = None, None, None
    state.outcome = stack.generator_outcome()
    try:
        if stack.records and not state.has_ended("prometheus"):
            _keep_samples(state)
            found = _measure(state, stack.prom)
            _note_unsent_samples(state, stack.prom)
        elif stack.rescue(run.snapshot):
            with RecordedPrometheus(run.snapshot, state.interrupt) as reopened:
                found = _measure(state, reopened.prom)
    except FiredrillError as error:
        _note_loss(state, error)
    window, figures, diagnosed = found
    if window and figures:
        figures = _server_side(state, window, figures)
    return window, figures, diagnosed


def _server_side(state: RunState, window: Window, figures: Figures) -> Figures:
    """Return the figures with the server's side of a Prometheus that is there already."""
    existing = state.request.existing_prometheus
    if existing is None:
        return figures
    url = without_userinfo(existing.url)
    try:
        measured = existing.measured(figures, window, state.request.profile.warmup_seconds)
    except FiredrillError as error:
        state.remark("existing_prometheus", f"the server's side was not measured: {error}")
        return figures
    found = "are those of" if measured.server.rate is not None else "were not found in"
    state.remark("existing_prometheus", f"the server's figures {found} the Prometheus at {url}")
    return measured


def _note_unsent_samples(state: RunState, prom: Prometheus) -> None:
    """Note samples that the receiver of `--remote-write` did not take."""
    receiver = state.request.remote_write
    if receiver is None:
        return
    failed = prom.number("sum(prometheus_remote_storage_samples_failed_total)") or 0.0
    behind = prom.number(
        "time() - min(prometheus_remote_storage_queue_highest_sent_timestamp_seconds)"
    )
    if failed:
        text = f"{receiver.url} refused {failed:,.0f} samples; prometheus.log says why"
        state.remark("remote_write", text)
    elif behind is None or behind > LATE_SAMPLES_SECONDS:
        text = f"{receiver.url} did not take the latest samples; prometheus.log may say why"
        state.remark("remote_write", text)


def _keep_samples(state: RunState) -> None:
    """Take the snapshot; a run without it is judged all the same, and cannot be opened again."""
    try:
        state.stack.take_snapshot(state.run.snapshot)
    except FiredrillError as error:
        _note_loss(state, error)


def _note_loss(state: RunState, error: FiredrillError) -> None:
    text = f"parts of the run could not be recorded: {error}"
    state.mishaps["recording"] = Reason("recording", text)


def _measure(state: RunState, prom: Prometheus) -> Measured:
    window = _load_window(prom, state.stack.load_since)
    if window is None:
        return None, None, None
    measurement = Measurement(
        prom=prom,
        profile=state.request.profile,
        run_id=state.stack.run_id,
        window=window,
        knows_think_time=state.request.locustfile is None,
        load_since=state.stack.load_since,
    )
    diagnosis = _diagnosis(state, measurement)
    alerts = alert_history.read(prom, window, TAIL_SECONDS)
    return window, measurement.figures(alerts, diagnosis), diagnosis


def _diagnosis(state: RunState, measurement: Measurement) -> Diagnosis:
    setup, request = _server_setup(state), state.request
    evidence = measurement.evidence(
        settings=setup.settings if setup else {},
        faults=tuple(state.injector.injected()),
        cores=None if request.is_foreign or request.docker else len(os.sched_getaffinity(0)),
    )
    return diagnose(evidence)


def _server_setup(state: RunState) -> ServerSetup | None:
    return None if state.request.is_foreign else ServerSetup(**asdict(state.request.server))


def _load_window(prom: Prometheus, since: float) -> Window | None:
    """Return the begin and end of the load; of a killed generator, the end is its last scrape."""
    now = time.time()
    start = prom.number(
        f"max(last_over_time(locust_test_start_time_seconds[1h]) >= {since:.3f})", now
    )
    if start is None:
        return None
    end = prom.number("max(last_over_time(locust_test_end_time_seconds[1h]))", now)
    if end is None or end <= start:
        scrapes = prom.raw('up{job="locust"}', start, now)
        times = (moment for series in scrapes for moment, up in series.points if up == 1)
        end = max(times, default=start)
    return Window(start, end) if end > start else None


def _judged(
    state: RunState,
    window: Window | None,
    figures: Figures | None,
    diagnosis: Diagnosis | None,
) -> RunDocument:
    """Return the run's document, with verdict, diagnosis, scorecard and remarks."""
    verdict = _verdict(state, window, figures)
    document = document_of(state, window, figures, verdict)
    if diagnosis:
        diagnosis = replace(diagnosis, check=prediction.check(document, _earlier(state)))
        document = document.model_copy(update={"diagnosis": diagnosis})
    card = scorecard.of_run(document, _attribution_seconds(state))
    remarks = (
        *state.remarks.values(),
        *state.rule_health.remarks(),
        *scorecard.remarks(card),
        *default_objectives.remarks(document),
        *notes.remarks(document),
    )
    return document.model_copy(
        update={
            "verdict": verdict.with_failures(
                (*state.rule_health.reasons(), *scorecard.reasons(card))
            ),
            "remarks": remarks,
            "scorecard": card,
        }
    )


def _earlier(state: RunState) -> Iterator[RunDocument]:
    """Yield the latest runs of the same folder that can be read."""
    for run in run_folder.runs_in(state.run.folder.parent)[-EARLIER_RUNS:]:
        with suppress(BadInput):
            yield run.read()


def _verdict(state: RunState, window: Window | None, figures: Figures | None) -> Verdict:
    """Judge the figures; the alerts are judged afterwards."""
    request, interrupted = state.request, state.interrupt.requested
    mishaps = list(state.mishaps.values())
    exceptions = state.outcome.exceptions
    if figures is None and not mishaps and not interrupted and not exceptions:
        text = "the load generator reported nothing; locust.log may say why"
        mishaps = [Reason("no_requests", text)]
    if window and not _was_stopped(state):
        mishaps += ended_early(window, request.ends_after_seconds)
    baseline = request.baseline
    if baseline and baseline.counts_errors_otherwise:
        why = f"{baseline.id} is of an older version, which counted no hung request as failed"
        state.remark("baseline_errors", f"the share of errors was not compared: {why}")
    if baseline and baseline.has_rough_latency:
        why = f"{baseline.id} is of an older version, whose percentiles may be off by 60 %"
        state.remark("baseline_latency", f"the latency was not compared: {why}; record it anew")
    regressions = baseline.regressions(figures) if baseline and figures else ()
    return judge(
        request.profile,
        figures,
        mishaps,
        regressions,
        interrupted=interrupted,
        exceptions=exceptions,
    )


def _was_stopped(state: RunState) -> bool:
    """Return whether the load was ended on purpose, or by a mishap that voids the run by itself."""
    on_purpose = state.interrupt.requested or state.early_abort or state.alerts_have_fired
    return bool(on_purpose) or any(
        mishap.code not in AGAINST_API for mishap in state.mishaps.values()
    )


def document_of(
    state: RunState, window: Window | None, figures: Figures | None, verdict: Verdict
) -> RunDocument:
    """Return the run's document, without scorecard and remarks."""
    request, baseline = state.request, state.request.baseline
    notifications = _notifications(state, window)
    return RunDocument(
        version=SCHEMA,
        id=state.run.id,
        started=state.started.isoformat(timespec="seconds"),
        commit=commit.under_test(),
        profile=PlayedProfile.of(request.profile, request.source),
        target=state.stack.host if request.serve else request.shown_target or "bundled API",
        server=_server_setup(state),
        serve=request.serve.text if request.serve else None,
        generator=state.generator,
        time_scale=request.time_scale,
        versions=state.versions,
        baseline=BaselineUsed(baseline.id, baseline.tolerance) if baseline else None,
        faults=tuple(state.injector.injected()),
        window=window,
        verdict=verdict,
        aborted=state.early_abort,
        remarks=(),
        exceptions=state.outcome.exceptions,
        notifications=notifications,
        unevaluated=state.rule_health.errors,
        figures=figures,
        scorecard=(),
    )


def _notifications(
    state: RunState, window: Window | None
) -> tuple[RecordedNotification, ...] | None:
    """Return the notifications of the run; None where none could be sent."""
    if not state.stack.alerting or window is None:
        return None
    arrived = Journal(state.stack.plan.notifications).read()
    if not any(notification.is_heartbeat for notification in arrived):
        happened = f"no notification arrived, not even the heartbeat {HEARTBEAT}"
        text = f"{happened}, so missing notifications prove nothing; see alertmanager.log"
        state.remark("notifications_silent", text)
    return tuple(recorded_notifications.record(arrived, window.start))


def _attribution_seconds(state: RunState) -> dict[str, float]:
    """Return how long each loaded alert may fire after the end of its cause."""
    files = sorted((state.run.folder / "prometheus" / "rules").glob("*.yml"))
    try:
        groups = [group for file in files for group in rule_file.read(file)]
        return attribution_window.by_alert(groups)
    except BadInput:  # Prometheus loaded them, which is enough for a run to be recorded.
        return {}
