"""Time that a backtest of alert rules takes on a recorded run.

A made-up run of an hour, scraped and evaluated once a second: four endpoints of fifty series, one
scrape in a hundred that lasts past the next evaluation, a gauge that is high for one minute in ten.
Twenty alerts (in two groups) are replayed over the hour; again with every evaluation during a
scrape; one alert is swept over five values of `for` by five thresholds; twenty production alerts
are replayed over five minutes, stretched by twelve; and 500 alerts over a minute.
Aims: 5 s, none, 20 s, 10 s, none. Run: `python -m bench.backtest`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.result_tables import save, table
from firedrill.alerts.backtest.backtest import BacktestRequest, backtest
from firedrill.alerts.replay.evaluation_times import EVALUATION_MARKER
from firedrill.interrupt import Interrupt
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.figures import Window
from firedrill.record.run_document import RunDocument
from firedrill.record.run_folder import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOUR_SECONDS, DRILL_SECONDS, MINUTE_SECONDS = 3_600, 300, 60
ENDPOINTS, SERIES_PER_ENDPOINT = 4, 50
SLOW_EVERY, SLOW_SECONDS, FAST_SECONDS = 100, 0.6, 0.005
EVALUATED_AFTER_MS = 500
"""The phase of the groups; endpoints are scraped at the full second."""
DURING_A_SCRAPE_MS = 15
"""A phase at which every evaluation may or may not have read the previous scrape."""
SLICE_SECONDS = 600
HOLDS_MS, THRESHOLDS = (0, 1_000, 5_000, 15_000, 60_000), (0.1, 0.3, 0.5, 0.7, 0.9)


def series(start_ms: int, first: int, last: int, endpoints: int, after_ms: int) -> Iterator[Any]:
    """Yield the series of some seconds of the run."""
    for endpoint in range(endpoints):
        labels = {"job": "made", "instance": f"page-{endpoint}"}
        yield _series({**labels, "__name__": "up"}, start_ms, range(first, last), lambda _: 1)
        yield _series(
            {**labels, "__name__": "scrape_duration_seconds"},
            start_ms,
            range(first, last),
            _scrape_seconds,
        )
        for number in range(SERIES_PER_ENDPOINT // 2):
            numbered = {**labels, "number": str(number)}
            yield _series(
                {**numbered, "__name__": "load_ratio"},
                start_ms,
                range(first, last),
                lambda second: 0.95 if second % 600 < 60 else 0.2,
            )
            yield _series(
                {**numbered, "__name__": "asked_total"},
                start_ms,
                range(first, last),
                lambda second: 10 * second,
            )
    for group in ("one", "two"):
        yield _series(
            {"__name__": EVALUATION_MARKER, "group": group},
            start_ms + after_ms,
            range(first, last),
            lambda _: 1,
        )


def _scrape_seconds(second: int) -> float:
    return SLOW_SECONDS if second % SLOW_EVERY == 0 else FAST_SECONDS


def _series(
    labels: dict[str, str], start_ms: int, seconds: range, value: Callable[[int], float]
) -> Any:
    series = remote.series(labels)
    for second in seconds:
        series.samples.add(timestamp=start_ms + second * 1000, value=value(second))
    return series


def made_up_run(
    folder: Path,
    seconds: int,
    rules: str,
    interrupt: Interrupt,
    unseen: range = range(0),
    endpoints: int = ENDPOINTS,
    after_ms: int = EVALUATED_AFTER_MS,
) -> Run:
    """Record a made-up run.

    Args:
        folder: The run's folder.
        seconds: How long it lasted.
        rules: The text of the rule file that it had loaded.
        interrupt: Ends the waiting for Prometheus.
        unseen: Seconds in which nothing was recorded.
        endpoints: How many metrics endpoints were scraped.
        after_ms: How long after the full second the groups were evaluated.
    """
    start = round(time.time()) - seconds - 10
    spans = [(0, unseen.start), (unseen.stop, seconds)] if unseen else [(0, seconds)]
    with RecordedPrometheus(None, interrupt) as reopened:
        for begin, end in spans:
            for first in range(begin, end, SLICE_SECONDS):
                remote.write(
                    reopened.prom.url,
                    series(
                        start * 1000, first, min(first + SLICE_SECONDS, end), endpoints, after_ms
                    ),
                )
        run = Run(folder)
        shutil.move(reopened.folder / "data" / "snapshots" / reopened.prom.snapshot(), run.snapshot)
    (folder / "prometheus" / "rules").mkdir(parents=True)
    (folder / "prometheus" / "rules" / "made.yml").write_text(rules)
    run.write(RunDocument(window=Window(start, start + seconds)))
    return run


def rules(number: int, window: str = "10s", hold: str = "5s") -> str:
    """Return a rule file of two groups: half of the alerts read a gauge, half a rate."""
    text = "groups:\n"
    for group in ("one", "two"):
        text += f"  - name: {group}\n    interval: 1s\n    rules:\n"
        marker = f"record: '{EVALUATION_MARKER}', expr: vector(1), labels: {{group: {group}}}"
        text += f"      - {{{marker}}}\n"
        for at in range(number // 4):
            selected = f'{{number="{at % 25}"}}[{window}]'
            high, busy = (
                f"avg_over_time(load_ratio{selected}) > 0.8",
                f"rate(asked_total{selected}) > 11",
            )
            text += f"      - {{alert: High{at}, expr: '{high}', for: {hold}}}\n"
            text += f"      - {{alert: Busy{at}, expr: '{busy}', for: {hold}}}\n"
    return text


def measured(
    what: str, aim: str, run: Run, text: str, interrupt: Interrupt, **asked: Any
) -> dict[str, object]:
    """Return a row with the time that a whole backtest takes."""
    file = run.folder / "asked.yml"
    file.write_text(text)
    began = time.perf_counter()
    report = backtest(BacktestRequest((file,), run, **asked), interrupt)
    taken = time.perf_counter() - began
    evaluations, ambiguous = (
        sum(getattr(alert, name) for alert in report.alerts)
        for name in ("evaluations", "ambiguous_evaluations")
    )
    of_all = {"evaluations": evaluations, "ambiguous": ambiguous}
    return {
        "what": what,
        "alerts": len(report.alerts),
        **of_all,
        "seconds": round(taken, 1),
        "aim": aim,
    }


def main() -> None:
    """Measure, print, save."""
    with tempfile.TemporaryDirectory() as temporary, Interrupt() as interrupt:
        folder = Path(temporary)
        lengths = {"hour": HOUR_SECONDS, "drill": DRILL_SECONDS, "minute": MINUTE_SECONDS}
        for name in (*lengths, "during"):
            (folder / name).mkdir()
        hour, drill, minute = (
            made_up_run(folder / name, seconds, rules(20), interrupt)
            for name, seconds in lengths.items()
        )
        during = made_up_run(
            folder / "during", HOUR_SECONDS, rules(20), interrupt, after_ms=DURING_A_SCRAPE_MS
        )
        rows = [
            measured("an hour", "5 s", hour, rules(20), interrupt),
            measured("an hour, each evaluation amid a scrape", "", during, rules(20), interrupt),
            measured(
                "5 x 5 sweep",
                "20 s",
                hour,
                rules(20),
                interrupt,
                alerts=("High0",),
                holds_ms=HOLDS_MS,
                thresholds=THRESHOLDS,
            ),
            measured(
                "stretched by 12", "10 s", drill, rules(20, "2m", "1m"), interrupt, stretch=12
            ),
            measured("500 rules, a minute", "", minute, rules(500), interrupt),
        ]
    table(rows)
    save("backtest", rows)


if __name__ == "__main__":
    main()
