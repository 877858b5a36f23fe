"""Playing a profile: start the parts, watch the load, and record, measure and judge what happened, however it ended."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from firedrill.alerts.backtest import attribution_window
from firedrill.alerts.rules import rule_file
from firedrill.drill.judge import default_objectives, notes, scorecard
from firedrill.drill.judge.verdict import AGAINST_API, Reason, ended_early, judge
from firedrill.drill.measure import alert_history, recipients
from firedrill.drill.measure.measurement import Measurement
from firedrill.drill.play import live_figures
from firedrill.drill.play.early_abort import Watch
from firedrill.drill.play.fault_schedule import Injector
from firedrill.errors import BadInput, FiredrillError
from firedrill.interrupt import Interrupted
from firedrill.notifications.journal import Journal, Tail
from firedrill.notifications.notification import HEARTBEAT
from firedrill.processes import programs
from firedrill.prometheus.recorded_data import Reopened
from firedrill.record.figures import Window
from firedrill.record.limits import SCHEMA, TAIL_SECONDS
from firedrill.record.run_folder import Run
from firedrill.stack import configuration
from firedrill.stack.containers import container_stack
from firedrill.stack.containers.attached import AttachedStack
from firedrill.stack.containers.container_stack import ComposedStack
from firedrill.stack.plan import Plan, Ports
from firedrill.stack.process_stack import NativeStack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.drill.play.early_abort import Foregone
    from firedrill.drill.play.progress import Progress
    from firedrill.drill.play.request import Request
    from firedrill.interrupt import Interrupt
    from firedrill.notifications.notification import Notification
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.figures import Figures
    from firedrill.stack.interface import Stack

DRAIN_SECONDS = 10.0
"""How long the API may take to finish what it had accepted when the load ended."""

LIST_SECONDS = 15.0
"""How long the receiver of notifications may take for its last list: without it the run knows of no notification."""


def play(request: Request, interrupt: Interrupt, progress: Progress) -> Run:
    """Play a profile once; returns the recorded run, its verdict in run.json.

    Raises:
        BadInput: the profile, a file or a port cannot be used; nothing was recorded.
        Missing: a program is missing, or the target or a part never answered.
    """
    request.check()
    if request.docker:
        progress.phase("building the images")
        container_stack.build(
            interrupt
        )  # Before ports are chosen: it may take minutes, in which somebody else takes them.
    chosen = Ports.choose(request.ports)
    run = Run.create(request.out.absolute(), request.title)
    return _Drill(request, run, chosen, interrupt, progress).play()


class _Drill:
    def __init__(
        self, request: Request, run: Run, chosen: Ports, interrupt: Interrupt, progress: Progress
    ) -> None:
        self._request = request
        self._run = run
        self._interrupt = interrupt
        self._progress = progress
        self._mishaps: dict[str, Reason] = {}
        self._remarks: dict[str, Reason] = {}
        self._stack = self._make_stack(self._plan(chosen))
        self._injector = Injector(self._faults_url() or "nowhere", request.profile.faults)
        self._tail = Tail(self._stack.plan.notifications)
        self._started = datetime.now(UTC)
        self._generator = request.generator()
        self._versions: dict[str, str] = {}
        self._watcher = self._make_watcher()
        self._foregone: Foregone | None = None
        self._awaited = set(request.until_firing)
        self._unevaluated: dict[str, str] = {}

    def _make_watcher(self) -> Watch | None:
        asked = self._request
        if not (asked.abort_on_slo or asked.profile.abort_on_slo):
            return None
        return Watch(
            asked.profile, asked.ends_after_seconds, knows_requests=asked.locustfile is None
        )

    def _plan(self, chosen: Ports) -> Plan:
        asked = self._request
        return Plan(
            folder=self._run.folder,
            run_id=self._run.id,
            ports=chosen,
            server=None if asked.target else asked.server,
            target=asked.target,
            profile=asked.profile.name if asked.attachment else asked.source,
            scrapes=asked.scrapes,
            locustfile=asked.locustfile,
            rules=asked.rules,
            time_scale=asked.time_scale,
            takes_faults=bool(asked.profile.faults),
            docker=asked.docker,
            workers=asked.workers,
            attached_prometheus=asked.attachment.prometheus_url if asked.attachment else None,
        )

    def _make_stack(self, plan: Plan) -> Stack:
        attachment = self._request.attachment
        if attachment:
            return AttachedStack(plan, self._interrupt, attachment)
        return (
            ComposedStack(plan, self._interrupt)
            if self._request.docker
            else NativeStack(plan, self._interrupt)
        )

    def _faults_url(self) -> str | None:
        attachment = self._request.attachment
        return attachment.faults_url if attachment else self._stack.plan.faults_url

    def play(self) -> Run:
        with self._stack:
            try:
                self._start()
                self._watch()
                self._end()
            except Interrupted:
                self._progress.phase("interrupted before the load began")
            except BadInput:
                self._stack.__exit__()
                self._run.remove()
                raise
            self._record()
        if self._run.snapshot.is_dir():
            self._stack.discard_data()
        return self._run

    # -- start

    def _start(self) -> None:
        self._progress.phase(self._stack.opening)
        self._stack.start_prometheus()
        if not self._stack.start_alerting():
            self._remark(
                "alertmanager_missing",
                f"nobody would have been told of alerts: there is no Alertmanager; {programs.HOW_TO_GET}",
            )
        self._note_longer_rules()
        self._stack.start_api()
        self._stack.wait_for_start()
        self._versions = self._stack.versions()
        self._progress.phase("waiting for Prometheus's first scrape")
        self._stack.wait_for_scrapes()
        self._progress.phase("starting Locust")
        self._stack.start_locust()

    # -- watch

    def _watch(self) -> None:
        began: float | None = None
        while not self._over(began) and not self._interrupt.pause(0.5):
            self._stack.fetch_notifications()
            self._progress.notified(self._news())
            with suppress(FiredrillError):  # A Prometheus that died is found by _over().
                began = began or self._stack.prom.number(
                    f"max(locust_test_start_time_seconds) >= {self._stack.load_since:.3f}"
                )
                if began:
                    self._note_faults(self._injector.follow(time.time() - began))
                    self._look_ahead(began)
                    self._look_for_alerts()
                    self._progress.show(
                        live_figures.look(self._stack.prom),
                        time.time() - began,
                        self._request.ends_after_seconds,
                    )
                    self._unevaluated |= self._stack.prom.broken_alerts()

    def _look_ahead(self, began: float) -> None:
        """End a run that has failed whatever comes."""
        self._foregone = (
            self._watcher.look(self._stack.prom, began, time.time()) if self._watcher else None
        )
        if self._foregone:
            self._mishaps["aborted"] = Reason("aborted", self._foregone.text())
            self._progress.phase(self._foregone.text())

    def _look_for_alerts(self) -> None:
        """Those of before the fault are not meant."""
        if self._awaited and self._injector.injected():
            firing = self._stack.prom.instant('ALERTS{alertstate="firing"}')
            self._awaited -= {sample.labels["alertname"] for sample in firing}

    def _note_faults(self, reasons: Iterable[Reason]) -> None:
        """Without its faults, a run shows nothing of what it is about."""
        for reason in reasons:
            self._mishaps[f"{reason.code} {len(self._mishaps)}"] = reason

    def _news(self) -> list[Notification]:
        """What somebody would have been told just now; a receiver may have served other runs before."""
        since = self._started.timestamp()
        return [one for one in self._tail.new() if one.received >= since and not one.is_heartbeat]

    def _over(self, began: float | None) -> bool:
        """Whether the load has ended, or goes on unseen."""
        self._note_deaths()
        planned = self._request.duration_seconds
        if began is None and self._lacks_a_worker():
            return True
        if self._foregone or (self._request.until_firing and not self._awaited):
            return True
        return (
            self._stack.load_ended()
            or self._has_ended("prometheus")
            or bool(began and planned and time.time() - began >= planned)
        )

    def _lacks_a_worker(self) -> bool:
        """Whether one has ended before the load began, for which its master would wait a minute."""
        broken = [worker for worker in self._stack.workers if worker.ended()]
        for worker in broken:
            self._reject_broken_locustfile(worker.log.read_text(errors="replace"))
        return bool(broken)

    def _has_ended(self, part: str) -> bool:
        child = getattr(self._stack, part)
        return child is not None and child.ended() is not None

    def _note_deaths(self) -> None:
        for part, meaning in (
            ("api", "the API's process ended"),
            ("prometheus", "Prometheus ended"),
            ("locust", "Locust ended"),
        ):
            child = getattr(self._stack, part)
            code = child.ended() if child else None
            if code is None or f"{part}_ended" in self._mishaps or (part == "locust" and code == 0):
                continue
            if part == "locust":
                self._reject_broken_locustfile(child.log.read_text(errors="replace"))
            self._mishaps[f"{part}_ended"] = Reason(
                f"{part}_ended", f"{meaning} in mid-run ({_how(code)}): {child.last_words()}"
            )
        for number, worker in enumerate(self._stack.workers, start=1):
            code = worker.ended()
            if code and not self._stack.load_ended():
                text = f"worker {number} of Locust ended before its load did ({_how(code)}): {worker.last_words()}"
                self._mishaps.setdefault(worker.name, Reason("worker_ended", text))
        self._note_lost_messengers()

    def _note_lost_messengers(self) -> None:
        """What tells people of alerts may die without any harm to the measurement."""
        for part, meaning in (
            ("alertmanager", "Alertmanager"),
            ("notifications", "the receiver of notifications"),
        ):
            child = getattr(self._stack, part)
            code = child.ended() if child else None
            if code is not None and f"{part}_ended" not in self._remarks:
                self._remark(
                    f"{part}_ended",
                    f"{meaning} ended in mid-run ({_how(code)}); from then on nobody would have been told of alerts",
                )

    def _note_longer_rules(self) -> None:
        """Rules that could not be shrunk as far as all else are slower than the load is quick."""
        scale = self._request.time_scale
        if not self._request.attachment and (kept := configuration.kept_longer(scale)):
            first = "; ".join(kept[:2])
            self._remark(
                "rules_kept_longer",
                f"{len(kept)} durations of the rules are longer than 1/{scale:g}, the first: {first}",
            )

    def _remark(self, code: str, text: str) -> None:
        """Note what a reader should know, though it is no reason for any verdict."""
        self._remarks[code] = Reason(code, text)
        self._progress.phase(text)

    def _reject_broken_locustfile(self, log: str) -> None:
        """A locustfile that raises on import never starts a test: the user's mistake, said in one line."""
        file = self._request.locustfile
        if file is None or "All users spawned" in log or "Ramping to" in log:
            return
        lines = re.findall(rf'File "{re.escape(str(file.absolute()))}", line (\d+)', log)
        errors = re.findall(
            r"^(\w[\w.]*(?:Error|Exception|Interrupt|Exit)?: .+|No User class found.+)$",
            log,
            re.MULTILINE,
        )
        if errors:
            raise BadInput(f"--locustfile {file}{':' + lines[-1] if lines else ''}: {errors[-1]}")

    # -- end

    def _end(self) -> None:
        self._progress.phase("stopping the load, waiting for the last figures")
        self._stack.end_locust()
        if self._stack.lost:
            self._mishaps["scrape_gap"] = Reason("scrape_gap", self._stack.lost)
        self._note_faults(self._injector.end())
        self._note_deaths()
        if not self._has_ended("prometheus"):
            self._drain()

    def _drain(self) -> None:
        """Let the API finish what it had accepted, and one more scrape of every page see that it has."""
        open_requests = (
            "sum(http_server_active_requests) + (sum(http_server_queue_depth) or vector(0))"
        )
        deadline, drained_at = time.monotonic() + DRAIN_SECONDS, None
        while (
            time.monotonic() < deadline
            and not self._interrupt.hurry
            and not self._has_ended("prometheus")
        ):
            with suppress(FiredrillError):
                if drained_at is None and not self._stack.prom.number(open_requests):
                    drained_at = time.time()
                if drained_at and (self._stack.prom.number("min(timestamp(up))") or 0) > drained_at:
                    return
            time.sleep(0.2)

    # -- record

    def _record(self) -> None:
        self._progress.phase("measuring and recording")
        self._stack.fetch_notifications(patience_seconds=LIST_SECONDS)
        window, figures = None, None
        try:
            if self._stack.records and not self._has_ended("prometheus"):
                self._keep_samples()
                window, figures = self._measure(self._stack.prom)
            elif self._stack.rescue(self._run.snapshot):
                with Reopened(self._run.snapshot, self._interrupt) as reopened:
                    window, figures = self._measure(reopened.prom)
        except FiredrillError as error:
            self._note_loss(error)
        self._run.write(self._document(window, figures))

    def _keep_samples(self) -> None:
        """Without them the run cannot be opened again; it is judged all the same."""
        try:
            self._stack.take_snapshot(self._run.snapshot)
        except FiredrillError as error:
            self._note_loss(error)

    def _note_loss(self, error: FiredrillError) -> None:
        self._mishaps["recording"] = Reason(
            "recording", f"the run could not be recorded whole: {error}"
        )

    def _measure(self, prom: Prometheus) -> tuple[Window | None, Figures | None]:
        window = _load_window(prom, self._stack.load_since)
        if window is None:
            return None, None
        bundled = self._request.locustfile is None
        measurement = Measurement(
            prom, self._request.profile, self._stack.run_id, window, knows_think_time=bundled
        )
        return window, measurement.figures(alert_history.read(prom, window, TAIL_SECONDS))

    def _notifications(self, window: Window | None) -> list[dict[str, Any]] | None:
        """Who would have been told; None where nobody could be."""
        if not self._stack.alerting or window is None:
            return None
        arrived = Journal(self._stack.plan.notifications).read()
        if not any(one.is_heartbeat for one in arrived):
            self._remark(
                "notifications_silent",
                f"not even {HEARTBEAT} got through to anybody: that nobody was told of alerts says nothing",
            )
        return recipients.record(arrived, window.start)

    def _document(self, window: Window | None, figures: Figures | None) -> dict[str, Any]:
        request, profile = self._request, self._request.profile
        mishaps = list(self._mishaps.values())
        if figures is None and not mishaps and not self._interrupt.requested:
            mishaps = [Reason("no_requests", "the load generator reported nothing")]
        if window and not self._was_stopped():
            mishaps += ended_early(window, request.ends_after_seconds)
        if request.baseline and request.baseline.counts_errors_otherwise:
            self._remark(
                "baseline_errors",
                f"the share of errors was not compared: {request.baseline.id} counted no hung request as failed",
            )
        regressions = request.baseline.regressions(figures) if request.baseline and figures else ()
        verdict = judge(
            profile, figures, mishaps, regressions, interrupted=self._interrupt.requested
        )
        notifications = self._notifications(window)
        document = {
            "schema": SCHEMA,
            "id": self._run.id,
            "started": self._started.isoformat(timespec="seconds"),
            "profile": {"source": request.source, **asdict(profile)},
            "target": request.shown_target or "bundled API",
            "server": None if request.target else asdict(request.server),
            "generator": self._generator,
            "time_scale": request.time_scale,
            "versions": self._versions,
            "baseline": {"id": request.baseline.id, "tolerance": request.baseline.tolerance}
            if request.baseline
            else None,
            "faults": [asdict(injected) for injected in self._injector.injected()],
            "window": asdict(window) if window else None,
            "verdict": asdict(verdict),
            "aborted": asdict(self._foregone) if self._foregone else None,
            "remarks": [],
            "notifications": notifications,
            "unevaluated": self._unevaluated,
            "figures": asdict(figures) if figures else None,
        }
        card = scorecard.of_run(document, self._lingers())
        remarks = [
            *self._remarks.values(),
            *scorecard.remarks(card),
            *default_objectives.remarks(document),
            *notes.remarks(document),
        ]
        return {
            **document,
            "verdict": asdict(verdict.blaming(scorecard.reasons(card))),
            "remarks": [asdict(remark) for remark in remarks],
            "scorecard": card,
        }

    def _was_stopped(self) -> bool:
        """Whether somebody ended the load, or something that voids the run by itself."""
        asked = (
            self._interrupt.requested
            or self._foregone
            or (self._request.until_firing and not self._awaited)
        )
        return bool(asked) or any(
            mishap.code not in AGAINST_API for mishap in self._mishaps.values()
        )

    def _lingers(self) -> dict[str, float]:
        """Of the alerts that this run's Prometheus had loaded."""
        files = sorted((self._run.folder / "prometheus" / "rules").glob("*.yml"))
        try:
            return attribution_window.by_name(
                [group for file in files for group in rule_file.read(file)]
            )
        except BadInput:  # Prometheus took them, which is enough for a run to be recorded.
            return {}


def _load_window(prom: Prometheus, since: float) -> Window | None:
    """When the load began and ended; the end is the last page of the load generator if it was killed."""
    now = time.time()
    start = prom.number(
        f"max(last_over_time(locust_test_start_time_seconds[1h]) >= {since:.3f})", now
    )
    if start is None:
        return None
    end = prom.number("max(last_over_time(locust_test_end_time_seconds[1h]))", now)
    if end is None or end <= start:
        seen = prom.raw('up{job="locust"}', start, now)
        end = max(
            (moment for series in seen for moment, up in series.points if up == 1), default=start
        )
    return Window(start, end) if end > start else None


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
