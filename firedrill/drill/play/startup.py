"""The start of a run: its stack chosen and started part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.processes import programs
from firedrill.stack import configuration, scrape_check
from firedrill.stack.containers.attached_stack import AttachedStack
from firedrill.stack.containers.container_stack import ContainerStack
from firedrill.stack.plan import Plan, Ports
from firedrill.stack.process_stack import ProcessStack

if TYPE_CHECKING:
    from firedrill.drill.play.request import Request
    from firedrill.drill.play.run_state import RunState
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run
    from firedrill.stack.interface import Stack


def make_stack(request: Request, run: Run, ports: Ports, interrupt: Interrupt) -> Stack:
    """Return the stack that the request asks for; nothing is started yet."""
    plan = _plan(request, run, ports)
    if request.attachment:
        return AttachedStack(plan, interrupt, request.attachment)
    if request.docker:
        return ContainerStack(plan, interrupt)
    return ProcessStack(plan, interrupt)


def _plan(request: Request, run: Run, ports: Ports) -> Plan:
    attachment = request.attachment
    return Plan(
        folder=run.folder,
        run_id=run.id,
        ports=ports,
        server=None if request.is_foreign else request.server,
        target=request.target,
        serve=request.serve,
        paths=request.asked_paths,
        profile=request.profile.name if attachment else request.source,
        objectives_seconds=frozenset(request.profile.objective_seconds()),
        scrapes=request.scrapes,
        remote_write=request.remote_write,
        locustfile=request.locustfile,
        rules=request.rules,
        time_scale=request.time_scale,
        takes_faults=bool(request.profile.faults),
        docker=request.docker,
        locust_options=request.locust_options,
        keeps_hosts=request.keeps_hosts,
        workers=request.workers,
        has_live_rates=request.has_live_rates,
        attached_prometheus=attachment.prometheus_url if attachment else None,
    )


def start(state: RunState) -> None:
    """Start every part of the stack, Locust and its load last.

    Raises:
        Missing: a part ended, or was not ready in time.
        Interrupted: somebody asked to stop.
    """
    stack, progress = state.stack, state.progress
    progress.phase(stack.opening)
    stack.start_prometheus()
    _note_what_is_asked(state)
    if not stack.start_alerting():
        text = "notifications are not recorded, because Alertmanager is not installed"
        state.remark("alertmanager_missing", f"{text}; {programs.HOW_TO_GET}")
    _note_longer_rules(state)
    stack.start_api()
    stack.wait_for_start()
    _check_scrapes(state)
    state.versions = stack.versions()
    progress.phase("waiting for Prometheus's first scrape")
    stack.wait_for_scrapes()
    progress.phase("starting Locust")
    stack.start_locust()


def _note_what_is_asked(state: RunState) -> None:
    """Note a load that asks only for `/`, and an API that does not measure itself."""
    request = state.request
    if request.asked_paths and not request.paths:
        text = "the load asks only for / of your API; name what it shall ask for with --path"
        state.remark("only_front_page", f"{text}, or with --locustfile")
    if state.stack.uninstrumented:
        state.remark(
            "uninstrumented",
            "the served command publishes no metrics of its requests, so the server side of this "
            "run is empty; see docs/bring-your-own.md",
        )


def _check_scrapes(state: RunState) -> None:
    """Fetch the endpoints of `--scrape`, and note one without the API's request durations."""
    request, stack = state.request, state.stack
    if request.docker or request.attachment:
        return  # Their addresses are those of the containers' network.
    pages = {
        scrape: scrape_check.fetch(scrape, stack.host, state.interrupt)
        for scrape in request.scrapes
    }
    missing = (scrape_check.missing_families(scrape, text) for scrape, text in pages.items())
    sentences = [sentence for sentence in missing if sentence]
    if sentences:
        state.remark("request_durations_missing", "; ".join(sentences))


def _note_longer_rules(state: RunState) -> None:
    """Note the durations of rules that could not be divided by the whole time scale."""
    if state.request.attachment:
        return
    scale = state.request.time_scale
    longer = configuration.clamped_durations(scale)
    if longer:
        count = f"{len(longer)} durations in the alert rules stayed longer than 1/{scale:g}"
        text = f"{count} of production, so their alerts fire later: {'; '.join(longer[:2])}"
        state.remark("rules_kept_longer", text)
