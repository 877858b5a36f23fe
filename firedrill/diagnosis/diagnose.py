"""The whole diagnosis of a run, with its sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.diagnosis import bottleneck, prediction, sentences, sizing, stages
from firedrill.diagnosis.evidence import GROWN
from firedrill.record.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.diagnosis.evidence import Evidence
    from firedrill.record.diagnosis import Prediction, SettingAdvice, StageUse

NOUNS = {
    "generator": "the load generator's CPU",
    "slots": "the slots of the open workload",
    "backlog": "the kernel's accept queue",
    "file_descriptors": "the file descriptors",
    "connections": "the connection limit",
    "workers": "the worker pool",
    "event_loop": "the event loop",
    "downstream": "what the handlers wait for",
    "cpu": "the CPU",
}
"""The stages in words."""

SETTING_STAGES = {
    "threads": {"workers"},
    "connection_limit": {"connections"},
    "processes": {"cpu", "event_loop", "workers"},
}
"""The stages that each setting of the server widens."""


def diagnose(evidence: Evidence) -> Diagnosis:
    """Return the diagnosis of a run."""
    saturations = stages.measure(evidence)
    uses = bottleneck.roles(evidence, saturations)
    limiting = next((use for use in uses if use.role == "bottleneck"), None)
    advice = sizing.advise(evidence, uses) if limiting else ()
    expected = _prediction(evidence, uses, advice)
    missing = tuple(_missing(evidence, uses, limiting, advice))
    return Diagnosis(
        bottleneck=limiting.stage if limiting else None,
        remedy=bottleneck.REMEDIES[limiting.stage] if limiting else "none",
        findings=(
            *_bottleneck(evidence, uses, limiting),
            *_others(evidence, uses),
            *map(sentences.of_advice, advice),
            *([sentences.of_prediction(expected)] if expected else []),
        ),
        stages=uses,
        advice=advice,
        prediction=expected,
        model=prediction.unloaded(evidence),
        missing=missing,
    )


def _prediction(
    evidence: Evidence, uses: Sequence[StageUse], advice: Sequence[SettingAdvice]
) -> Prediction | None:
    """Predict what the advice leads to, if it widens every limit that binds."""
    settings = {one.setting: one.recommended for one in advice}
    narrow = {use.stage for use in uses if use.role in {"bottleneck", "next_limit"}}
    model = prediction.unloaded(evidence)
    widened = {stage for name in settings for stage in SETTING_STAGES.get(name, ())}
    if not settings or model is None or not narrow <= widened:
        return None
    if "processes" in settings and evidence.cores and settings["processes"] > evidence.cores:
        return None
    return prediction.predict(
        evidence.profile,
        evidence.seconds,
        model,
        {**evidence.settings, **settings},
        dict(_used_after(evidence, uses, settings)),
        next((use.stage for use in uses if use.role == "bottleneck"), None),
    )


def _used_after(
    evidence: Evidence, uses: Sequence[StageUse], settings: Mapping[str, int]
) -> Iterator[tuple[str, float]]:
    """Yield the share of each limit that the highest load will use with these settings."""
    rate, needed = evidence.peak_rate, bottleneck.needed_connections(evidence)
    limits = {use.stage: use.limit for use in uses if use.limit}
    workers = limits.get("workers")
    if "threads" in settings:
        workers = settings["threads"] * evidence.settings.get("processes", 1)
    if rate and workers:
        yield "workers", evidence.busy_servers(rate) / workers
    connections = limits.get("connections")
    if "connection_limit" in settings and connections:
        own = sizing.own_connections(evidence, connections)
        connections = settings["connection_limit"] * sizing.processes(evidence) - own
    if needed and connections:
        yield "connections", needed / connections
    cpu, model = settings.get("processes", limits.get("cpu")), evidence.model
    if rate and cpu and model and model.cpu_seconds:
        yield "cpu", rate * model.cpu_seconds / cpu


def _bottleneck(
    evidence: Evidence, uses: Sequence[StageUse], limiting: StageUse | None
) -> Iterator[str]:
    if limiting is None:
        yield _nothing_saturated(uses)
        return
    yield (
        f"The bottleneck is {NOUNS[limiting.stage]}: {_evidence(limiting)}."
        f" {_reason(evidence, limiting)}"
    )


def _nothing_saturated(uses: Sequence[StageUse]) -> str:
    known = [use for use in uses if use.used_max is not None and use.role != "unknown"]
    unknown = [use.stage.replace("_", " ") for use in uses if use.role == "unknown"]
    if not known:
        return "No stage of the API was measured, so the bottleneck is not known."
    nearest = max(known, key=lambda use: use.used_max or 0.0)
    stage = "cpu or its pressure" if nearest.stage == "cpu" else nearest.stage.replace("_", " ")
    most = f"most used: {stage}, {units.percent(nearest.used_max)} at its highest"
    beside = f"; not known: {', '.join(unknown)}" if unknown else ""
    return f"No measured stage was saturated ({most}{beside})."


def _evidence(use: StageUse) -> str:
    """Return the figures of a saturated stage."""
    lasted = f"from {units.seconds(use.saturated_after_seconds)} on, {use.saturated_seconds:.0f} s"
    if use.stage in {"cpu", "generator"}:
        late = "threads" if use.stage == "cpu" else "its event loop"
        waiting = f"{late} waited {units.seconds(use.waiting_max)}"
        limit = "" if use.limit is None else f" of {use.limit:g} core{'s' * (use.limit != 1)}"
        return f"{units.percent(use.used_max)}{limit} used, {waiting} ({lasted})"
    waited = f"up to {units.count(use.waiting_max)} waited"
    if use.stage in {"downstream", "event_loop"}:
        return f"{use.limit or 0:.2g} requests at once, {waited} inside ({lasted})"
    used = (use.used_max or 0.0) * (use.limit or 0.0)
    return f"{used:.0f} of {use.limit or 0:.0f} used, {waited} ({lasted})"


def _reason(evidence: Evidence, limiting: StageUse) -> str:
    """Return whether the handler computes or waits, and what helps."""
    stage = limiting.stage
    if stage == "cpu":
        own = max((window.cpu_used or 0.0 for window in evidence.handler), default=1.0)
        if own < stages.SATURATED_RATIO:
            return (
                f"The API itself used at most {units.percent(own)} of its CPU: other work on the"
                " machine, such as the load generator, takes the rest. Move it elsewhere."
            )
        if evidence.cores and evidence.processes and evidence.processes >= evidence.cores:
            return "All cores that the server may use are busy: less work or more cores help."
        return (
            "The handlers compute on one core in each process (the interpreter lock): more"
            " processes help, more threads do not."
        )
    if stage == "downstream":
        capacity = f"{limiting.limit or 0:.2g}"
        growth = evidence.handler_growth
        times = f" ({growth:.1f} times as long)" if growth else ""
        return (
            "The rate stays flat while the time in the handler grows with the requests inside"
            f"{times}, and the CPU is idle: a lock, a pool or a database serves {capacity} at"
            " once. Neither threads nor processes help; widen that limit."
        )
    return {
        "workers": _of_workers(evidence),
        "event_loop": "Calls that block it are handled one at a time: make them asynchronous or"
        " move them to threads; more processes help too.",
        "connections": "Clients beyond it wait in the kernel's accept queue.",
        "backlog": "The kernel refused connections: raise the server's backlog and"
        " net.core.somaxconn.",
        "file_descriptors": "The process cannot open another connection: raise `ulimit -n`.",
        "slots": "The workload's own limit was reached, not the API's: raise max_in_flight.",
        "generator": "The figures tell of the load generator, not of the API: use more --workers.",
    }[stage]


def _of_workers(evidence: Evidence) -> str:
    """Return what holds the workers: the CPU, slow clients, or something else."""
    model, handler = evidence.model, evidence.handler_seconds
    if model is None:
        return "Its handlers were not timed, so it is not known whether they wait or compute."
    held = model.mean_seconds
    if handler is not None and handler < held / 2:
        return (
            f"A request holds a worker for {units.latency(held)}, and its handler needs"
            f" {units.latency(handler)} of that: slow clients hold the rest. More threads help,"
            " or a proxy that buffers requests."
        )
    if model.cpu_seconds is None:
        return "More threads help if the handlers wait; the CPU was not measured."
    used = model.cpu_seconds / held if held else 0.0
    share = f"{units.latency(model.cpu_seconds)} of CPU in {units.latency(held)}"
    if used >= stages.COMPUTING_SHARE:
        return f"The handlers compute ({share}): more processes help, more threads do not."
    return f"The handlers wait ({share}): more threads help."


def _others(evidence: Evidence, uses: Sequence[StageUse]) -> Iterator[str]:
    """Yield a sentence on the consequences of the bottleneck, and one on the next limits."""
    consequences = [use for use in uses if use.role == "consequence"]
    if consequences:
        names = " and ".join(NOUNS[use.stage] for use in consequences)
        was = "was" if len(consequences) == 1 else "were"
        yield f"{names[0].upper()}{names[1:]} {was} full as a consequence."
    for use in uses:
        if use.role == "next_limit":
            needed = bottleneck.demand(evidence, use.stage, _limits(use))
            of = f"{units.percent(needed)} of it" if needed is not None else "all of it"
            yield f"Next limit: {NOUNS[use.stage]}; the offered load needs {of}."


def _limits(use: StageUse) -> Mapping[str, stages.Saturation]:
    found = stages.Saturation(use.stage, 0.0, 0.0, None, 0.0, use.limit)
    return {use.stage: found}


def _missing(
    evidence: Evidence,
    uses: Sequence[StageUse],
    limiting: StageUse | None,
    advice: Sequence[SettingAdvice],
) -> Iterator[str]:
    """Yield what would be needed for a surer diagnosis."""
    unknown = [use.stage.replace("_", " ") for use in uses if use.role == "unknown"]
    if unknown:
        yield f"Not measured: {', '.join(unknown)}. The bottleneck may lie there."
    if unknown and {use.stage for use in uses if use.role != "unknown"} <= {"generator", "slots"}:
        yield "To measure the API, start it by --serve, or instrument it and add --scrape."
    if limiting is None:
        return
    if evidence.model is None:
        yield "No settings are advised: the server does not tell how long its requests take."
    elif evidence.peak_rate is None:
        yield (
            "No settings are advised: the rate that these users offer is not known. Set think_time"
            " in the profile, or play a step at which nothing is saturated."
        )
    cores, cpu_seconds = evidence.cores, evidence.model.cpu_seconds if evidence.model else None
    processes = next((one.at_least for one in advice if one.setting == "processes"), 0)
    if limiting.stage == "cpu" and cores and cpu_seconds and processes > cores:
        yield (
            f"Nothing is predicted: {units.rate(cores / cpu_seconds)} is the most that"
            f" {cores:g} cores can compute. Take CPU time out of the request, or add cores."
        )
    if limiting.stage == "workers" and evidence.handler and evidence.handler_growth is None:
        yield (
            "The profile has no step with a low load, so it is not known whether the handlers wait"
            f" for something shared. If their time grows {GROWN:g} times with the load, threads do"
            " not help."
        )
