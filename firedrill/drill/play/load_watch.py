"""The watch over a running load until its end: progress, faults, awaited alerts, early abort."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill.drill.play import live_figures
from firedrill.drill.play.early_abort import AbortWatch
from firedrill.drill.play.part_failures import lacks_a_worker, note_ended_parts
from firedrill.errors import FiredrillError
from firedrill.notifications.journal import Tail
from firedrill.record.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.drill.play.request import Request
    from firedrill.drill.play.run_state import RunState
    from firedrill.notifications.notification import Notification

LOOK_EVERY_SECONDS = 0.5

DRAIN_SECONDS = 10.0
"""Time that the API may take to finish its accepted requests when the load has ended."""

DRAIN_LOOK_SECONDS = 0.2

OPEN_REQUESTS = "sum(http_server_active_requests) + (sum(http_server_queue_depth) or vector(0))"


class LoadWatch:
    """Watches the load of one run."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._abort_watch = _abort_watch(state.request)
        self._tail = Tail(state.stack.plan.notifications)
        self._began: float | None = None
        """Unix time at which the load began; None before Prometheus knows it."""
        self._phase = ""

    def watch(self) -> None:
        """Wait until the load has ended, or somebody asks to stop."""
        state = self._state
        state.progress.follow(state.stack.prom)
        while not self._is_over() and not state.interrupt.pause(LOOK_EVERY_SECONDS):
            state.stack.fetch_notifications()
            state.progress.notified(self._new_notifications())
            with suppress(FiredrillError):  # _is_over() notices a Prometheus that died.
                self._look()

    def _look(self) -> None:
        state = self._state
        if state.outcome.is_setting_up or state.outcome.stopped:
            phase = "tear-down" if state.outcome.stopped else "set-up"
            self._show_phase(f"{phase}: waiting for the locustfile's listeners")
            return
        prom = state.stack.prom
        self._began = self._began or prom.number(
            f"max(locust_test_start_time_seconds) >= {state.stack.load_since:.3f}"
        )
        if not self._began:
            return
        state.load_has_begun = True
        note_faults(state, state.injector.follow(time.time() - self._began))
        self._check_slo(self._began)
        self._check_awaited_alerts()
        elapsed = time.time() - self._began
        state.progress.show(live_figures.look(prom), elapsed, state.request.ends_after_seconds)
        state.rule_health.look(prom.rule_groups())

    def _show_phase(self, text: str) -> None:
        if text != self._phase:
            self._phase = text
            self._state.progress.phase(text)

    def _check_slo(self, began: float) -> None:
        """End a run that has broken its SLO, whatever is still to come."""
        if self._abort_watch is None:
            return
        state = self._state
        state.early_abort = self._abort_watch.look(state.stack.prom, began, time.time())
        if state.early_abort:
            text = state.early_abort.text()
            state.mishaps["aborted"] = Reason("aborted", text)
            state.progress.phase(text)

    def _check_awaited_alerts(self) -> None:
        """Note awaited alerts that fire; firings before the first fault do not count."""
        state = self._state
        if state.awaited_alerts and state.injector.injected():
            firing = state.stack.prom.instant('ALERTS{alertstate="firing"}')
            state.awaited_alerts -= {sample.labels["alertname"] for sample in firing}

    def _new_notifications(self) -> list[Notification]:
        """Return the latest notifications; a receiver may have served earlier runs before."""
        since = self._state.started.timestamp()
        return [
            notification
            for notification in self._tail.new()
            if notification.received >= since and not notification.is_heartbeat
        ]

    def _is_over(self) -> bool:
        """Return whether the load has ended, or cannot be watched any longer."""
        state = self._state
        note_ended_parts(state)
        if self._began is None and lacks_a_worker(state):
            return True
        if state.early_abort or state.alerts_have_fired:
            return True
        if state.stack.load_ended() or state.has_ended("prometheus"):
            return True
        planned = state.request.duration_seconds
        return bool(self._began and planned and time.time() - self._began >= planned)


def _abort_watch(request: Request) -> AbortWatch | None:
    if not (request.abort_on_slo or request.profile.abort_on_slo):
        return None
    return AbortWatch(
        request.profile, request.ends_after_seconds, knows_requests=request.locustfile is None
    )


def note_faults(state: RunState, reasons: Iterable[Reason]) -> None:
    """Note faults that could not be set; such a run does not show what it is about."""
    for reason in reasons:
        state.mishaps[f"{reason.code} {len(state.mishaps)}"] = reason


def end_load(state: RunState) -> None:
    """End the load, and wait until its last figures are scraped."""
    stack = state.stack
    state.progress.phase("stopping the load, waiting for the last figures")
    stack.end_locust()
    state.load_is_over = state.load_has_begun
    if stack.lost:
        state.mishaps["scrape_gap"] = Reason("scrape_gap", stack.lost)
    note_faults(state, state.injector.end())
    note_ended_parts(state)
    if not state.has_ended("prometheus"):
        _drain(state)


def _drain(state: RunState) -> None:
    """Wait until the API has finished its accepted requests, and every endpoint was scraped."""
    deadline, drained_at = time.monotonic() + DRAIN_SECONDS, None
    while (
        time.monotonic() < deadline
        and not state.interrupt.hurry
        and not state.has_ended("prometheus")
    ):
        with suppress(FiredrillError):
            prom = state.stack.prom
            if drained_at is None and not prom.number(OPEN_REQUESTS):
                drained_at = time.time()
            if drained_at and (prom.number("min(timestamp(up))") or 0) > drained_at:
                return
        time.sleep(DRAIN_LOOK_SECONDS)
