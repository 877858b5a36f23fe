"""A recorded run, or several side by side, as a person at a terminal reads them. Reads run.json only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from firedrill import units
from firedrill.errors import BadInput
from firedrill.fault_client import spell
from firedrill.notifications.notification import printable
from firedrill.record.run_description import server_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from firedrill.alerts.backtest.detection_bounds import Least
    from firedrill.drill.judge.fault_matrix import Column, Matrix
    from firedrill.record.run_folder import Run

STATUS_STYLES = {
    "PASSED": "bold green",
    "FAILED": "bold red",
    "INVALID": "bold magenta",
    "INTERRUPTED": "bold yellow",
}

Document = dict[str, Any]


def of_run(run: Run) -> RenderableType:
    """Verdict first, then its reasons, the figures, the steps, and where everything lies."""
    document = run.read()
    parts: list[RenderableType] = [
        _verdict_line(document),
        *_reasons(document),
        *_remarks(document),
    ]
    if document["figures"]:
        parts += [
            Text(),
            comparison([document]),
            Text(),
            _steps(document),
            *_faults(document),
            *_alerts(document),
            *_scorecard(document),
            *_told(document),
        ]
    return Group(*parts, Text(), Text(f"recorded in {run.folder}", style="dim"))


def _verdict_line(document: Document) -> Text:
    status = document["verdict"]["status"]
    return Text.assemble(
        (f" {status} ", f"{STATUS_STYLES[status]} reverse"), "  ", (title_of(document), "bold")
    )


def title_of(document: Document) -> str:
    """The profile and what it met."""
    return f"{document['profile']['name']} against {server_name(document)}"


def _reasons(document: Document) -> list[Text]:
    return [Text(f" • {reason['text']}") for reason in document["verdict"]["reasons"]]


def _faults(document: Document) -> list[RenderableType]:
    """What was broken on purpose, and when: the truth that the alerts are held against."""
    injected = document.get("faults") or []  # runs that are older than faults have none
    return (
        [
            Text(),
            Text("Faults that were injected", style="bold"),
            *(_fault(each, document["window"]) for each in injected),
        ]
        if injected
        else []
    )


def _fault(injected: Mapping[str, Any], window: Mapping[str, float]) -> Text:
    after, lasted = (
        units.seconds(injected["start"] - window["start"]),
        units.seconds(injected["end"] - injected["start"]),
    )
    return Text(f" • {spell(injected['fault'], injected['size'])} after {after}, for {lasted}")


def _alerts(document: Document) -> list[RenderableType]:
    fired = _fired(document["figures"])
    return [
        Text(),
        Text("Alerts that fired" if fired else "No alert fired", style="bold"),
        *map(_alert, fired),
    ]


def _scorecard(document: Document) -> list[RenderableType]:
    """The alerts against what they were for; runs recorded before there was any have none."""
    rows = document.get("scorecard") or []
    if not rows:
        return []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("alert", "profile", "judgement", "cause", "delay"):
        table.add_column(column, justify="right" if column == "delay" else "left")
    for row in rows:
        expected = (row["expected"] or units.NOTHING).replace("_", " ")
        table.add_row(
            row["alert"],
            expected,
            row["judgement"],
            _cause(row),
            units.seconds(row["delay_seconds"]),
        )
    return [Text(), table]


def _cause(row: Mapping[str, Any]) -> str:
    """With a question mark where nobody had said so before."""
    return (
        f"{row['cause']}{'?' if row.get('attribution') == 'latest' else ''}"
        if row["cause"]
        else units.NOTHING
    )


def _remarks(document: Document) -> list[Text]:
    """Runs recorded before there were any have none."""
    return [Text(f" • {remark['text']}", style="dim") for remark in document.get("remarks", ())]


def _told(document: Document) -> list[RenderableType]:
    """Whom the alerts would have reached; nothing where nobody could have been."""
    notifications = document.get("notifications")
    if notifications is None:
        return []
    title = "Who would have been told" if notifications else "Nobody would have been told"
    return [Text(), Text(title, style="bold"), *map(_notification, _news(notifications))]


def _news(notifications: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What a reader had not been told before: groups that grow repeat what they said."""
    last: dict[tuple[str, str, str], str] = {}
    for one in notifications:
        key = (one["receiver"], one["alertname"], one["severity"])
        if last.get(key) != one["status"]:
            last[key] = one["status"]
            yield one


def _notification(one: Mapping[str, Any]) -> Text:
    what = (
        f"{one['alertname']}: {one['summary']}"
        if one["status"] == "firing"
        else f"{one['alertname']} is over"
    )
    return Text(
        printable(f" • {one['receiver']} after {units.seconds(one['after_seconds'])}: {what}")
    )


def _alert(alert: Mapping[str, Any]) -> Text:
    after, lasted = (
        units.seconds(alert["firing_after_seconds"]),
        units.seconds(alert["firing_seconds"]),
    )
    return Text(f" • {alert['name']} ({alert['severity']}) after {after}, for {lasted}")


def _fired(figures: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alerts that fired, in the order in which they began; of those that differ in labels alone, the first."""
    fired = [alert for alert in figures["alerts"] if alert["firing_after_seconds"] is not None]
    fired.sort(key=lambda alert: alert["firing_after_seconds"])
    return list({(alert["name"], alert["severity"]): alert for alert in reversed(fired)}.values())[
        ::-1
    ]


# -- figures side by side


def comparison(documents: Sequence[Document]) -> Table:
    """One row a figure, one column a run."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for document in documents:
        table.add_column(server_name(document), justify="right", max_width=26)
    for section, rows in SECTIONS.items():
        table.add_row(Text(section, style="bold"))
        for name, figure in rows.items():
            table.add_row(f"  {name}", *(_cell(figure, document) for document in documents))
    return table


def _cell(figure: Callable[[Mapping[str, Any]], str], document: Document) -> Text:
    text = figure(document["figures"]) if document["figures"] else units.NOTHING
    return Text(text)


def _quantiles(side: str, field: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda figures: units.together(
        [figures[side][field][name] for name in ("p50", "p95", "p99")]
    )


def _with_waiting(figures: Mapping[str, Any]) -> str:
    client, names = figures["client"], ("p50", "p95", "p99")
    lower_bounds = [at for at, name in enumerate(names) if name in client.get("at_least", ())]
    return units.together(
        [client["latency_including_waiting_seconds"][name] for name in names], lower_bounds
    )


def _from_schedule(figures: Mapping[str, Any]) -> str:
    """Nothing in a closed loop, nor in runs that are older than open ones."""
    latency = figures["client"].get("latency_from_schedule_seconds") or {}
    return units.together([latency.get(name) for name in ("p50", "p95", "p99")])


def _exhausted(figures: Mapping[str, Any]) -> str:
    saturation = figures["saturation"]
    if saturation["ran_out_first"]:
        return (
            f"{saturation['ran_out_first']}, {units.seconds(saturation['ran_out_after_seconds'])}"
        )
    return "nothing" if saturation["nearest"] else units.NOTHING


def _ratios(figures: Mapping[str, Any]) -> str:
    ratios = sorted(figures["saturation"]["largest_ratio"].items(), key=lambda item: -item[1])
    return (
        "\n".join(f"{name} {units.percent(ratio)}" for name, ratio in ratios[:3] if ratio >= 0.01)
        or units.NOTHING
    )


def _abandoned(figures: Mapping[str, Any]) -> str:
    seen = [count for count in figures["honesty"]["abandoned"].values() if count is not None]
    return units.count(sum(seen) if seen else None)


SECTIONS: Mapping[str, Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "p50 / p95 / p99": {
        "client": _quantiles("client", "latency_seconds"),
        "from schedule": _from_schedule,
        "with the waiting": _with_waiting,
        "server": _quantiles("server", "latency_seconds"),
        "handler alone": _quantiles("server", "handler_latency_seconds"),
    },
    "Traffic": {
        "offered": lambda figures: units.rate(figures["client"]["offered_rate"]),
        "achieved": lambda figures: units.rate(figures["client"]["rate"]),
        "never sent": lambda figures: units.count((figures.get("arrivals") or {}).get("unsent")),
        "left at the end": lambda figures: units.count((figures.get("arrivals") or {}).get("left")),
        "begun late, p99": lambda figures: units.seconds(
            (figures.get("arrivals") or {}).get("lateness_p99_seconds")
        ),
    },
    "Errors": {
        "client": lambda figures: units.percent(figures["client"]["error_ratio"]),
        "server": lambda figures: units.percent(figures["server"]["error_ratio"]),
    },
    "Saturation": {
        "ran out first": _exhausted,
        "most used limits": _ratios,
    },
    "Honesty": {
        "in flight, most": lambda figures: units.count(figures["honesty"]["in_flight_max"]),
        "oldest in flight": lambda figures: units.seconds(figures["honesty"]["oldest_max_seconds"]),
        "starved, most": lambda figures: units.count(figures["honesty"]["starved_max"]),
        "abandoned": _abandoned,
        "of them failed": lambda figures: units.count(figures["honesty"].get("hung")),
        "tasks crashed": lambda figures: units.count(figures["honesty"].get("exceptions")),
        "generator CPU": lambda figures: units.percent(
            figures["honesty"]["generator_cpu_max_ratio"]
        ),
    },
    "Alerts": {"fired": lambda figures: units.count(len(_names(figures)))},
}


def _steps(document: Document) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in (
        "step",
        "time",
        "load",
        "offered",
        "achieved",
        "errors",
        "p50",
        "p99",
        "server p99",
    ):
        table.add_column(column, justify="right")
    for row in _step_rows(document):
        table.add_row(*row)
    return table


def _step_rows(document: Document) -> Iterator[tuple[str, ...]]:
    for step in document["figures"]["steps"]:
        client = step["client"]
        yield (
            str(step["index"]),
            f"{step['start_seconds']:.0f}–{step['end_seconds']:.0f} s",
            _load(step),
            units.rate(client["offered_rate"]),
            units.rate(client["rate"]),
            units.percent(client["error_ratio"]),
            *(units.seconds(client["latency_seconds"][name]) for name in ("p50", "p99")),
            units.seconds(step["server"]["latency_seconds"]["p99"]),
        )


def _load(step: Mapping[str, Any]) -> str:
    """What the profile asked for; beside it what ran, where a shape of the locustfile's own made the load."""
    rate, running = step.get("arrival_rate"), step.get("users_measured")
    asked = str(step["users"]) if rate is None else units.rate(rate)
    return asked if running is None else f"{units.count(running)} (not {asked})"


MATRIX_STYLES = {
    "detected": "bold green",
    "missed": "bold red",
    "false": "bold red",
    "undecided": "bold yellow",
}


def of_matrix(matrix: Matrix) -> RenderableType:
    """A row for each fault and alert that met: the delay, beside what the alert takes by its own definition."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("fault", "alert", "judgement", "delay", "least", "full"):
        table.add_column(
            name, justify="right" if name in {"delay", "least", "full"} else "left", no_wrap=True
        )
    for column in matrix.columns:
        table.add_section()
        for number, row in enumerate(_met(column, matrix) or [(units.NOTHING,)]):
            table.add_row("" if number else column.fault, *row)
    verdict = Text.assemble(
        (f" {matrix.status} ", f"{STATUS_STYLES[matrix.status]} reverse"), "  fault matrix"
    )
    short = (
        [Text(f"the quiet run is too short to judge {', '.join(matrix.unproven)}", style="dim")]
        if matrix.unproven
        else []
    )
    return Group(
        verdict, *(Text(f" • {reason}") for reason in matrix.reasons), Text(), table, *short
    )


def _met(column: Column, matrix: Matrix) -> list[tuple[str | Text, ...]]:
    """The alerts that one run has to do with."""
    return [
        (
            cell.alert,
            Text(cell.judgement, style=MATRIX_STYLES.get(cell.judgement, "dim")),
            units.seconds(cell.delay_seconds),
            *(units.seconds(value) for value in _least(matrix.least.get(cell.alert))),
        )
        for cell in column.cells
    ]


def _least(least: Least | None) -> tuple[float | None, float | None]:
    return (least.seconds, least.full_seconds) if least else (None, None)


def listing(runs: Sequence[Run]) -> Table:
    """A line a run, and what they take on disk."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("run", footer=f"{len(runs)} runs", no_wrap=True)
    table.add_column("verdict")
    table.add_column("profile and server")
    table.add_column(
        "size", justify="right", footer=units.size(sum(run.size_bytes() for run in runs))
    )
    for run in runs:
        status, title = outcome_of(run)
        table.add_row(
            run.id,
            Text(status, style=STATUS_STYLES.get(status, "")),
            title,
            units.size(run.size_bytes()),
        )
    return table


def outcome_of(run: Run) -> tuple[str, str]:
    """Its verdict, and what was played; one damaged run.json must not hide the other runs."""
    try:
        document = run.read()
        return str(document["verdict"]["status"]), title_of(document)
    except (BadInput, LookupError, TypeError):
        return "DAMAGED", "its run.json cannot be read"


def side_by_side(documents: Sequence[Document]) -> RenderableType:
    """Several runs: verdicts with their reasons, then the figures in columns."""
    verdicts: list[RenderableType] = []
    for document in documents:
        verdicts += [
            _verdict_line(document),
            *_reasons(document),
            *_remarks(document),
            *_alert_names(document),
            Text(),
        ]
    return Group(comparison(documents), Text(), *verdicts)


def _alert_names(document: Document) -> list[Text]:
    names = _names(document["figures"]) if document["figures"] else []
    return [Text(f" • alerts that fired: {', '.join(names)}")] if names else []


def _names(figures: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(alert["name"] for alert in _fired(figures)))
