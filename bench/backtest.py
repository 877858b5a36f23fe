"""How long alert rules take to be replayed over a recorded run.

A made-up run of an hour, scraped and evaluated once a second: four pages of fifty series, one scrape in a hundred lasting past the next
evaluation, a gauge that is high for one minute in ten. Twenty alerts over it (issued as two groups), also where every evaluation comes as
scrapes end, and one of them swept over five values of `for` by five thresholds; twenty production alerts over five minutes, each second
stretched to twelve; and 500 alerts over a minute. Aims: 5 s, none, 20 s, 10 s, none. Run: `python -m bench.backtest`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.result_tables import save, table
from firedrill.alerts.backtest.backtest import Question, backtest
from firedrill.alerts.replay.evaluation_times import MARK
from firedrill.interrupt import Interrupt
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import Reopened
from firedrill.record.figures import Window
from firedrill.record.run_document import RunDocument
from firedrill.record.run_folder import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOUR_SECONDS, DRILL_SECONDS, MINUTE_SECONDS = 3_600, 300, 60
PAGES, SERIES_A_PAGE = 4, 50
SLOW_EVERY, SLOW_SECONDS, FAST_SECONDS = 100, 0.6, 0.005
EVALUATED_AFTER_MS = 500
"""The phase of the groups; pages are scraped at the full second."""
AMID_A_SCRAPE_MS = 15
"""A phase at which it is open, at every evaluation, whether the scrape before could be read."""
SLICE_SECONDS = 600
HOLDS_MS, THRESHOLDS = (0, 1_000, 5_000, 15_000, 60_000), (0.1, 0.3, 0.5, 0.7, 0.9)


def series(start_ms: int, first: int, last: int, pages: int, after_ms: int) -> Iterator[Any]:
    """Samples of some seconds of the run."""
    for page in range(pages):
        labels = {"job": "made", "instance": f"page-{page}"}
        yield _one({**labels, "__name__": "up"}, start_ms, range(first, last), lambda _: 1)
        yield _one(
            {**labels, "__name__": "scrape_duration_seconds"}, start_ms, range(first, last), _took
        )
        for number in range(SERIES_A_PAGE // 2):
            of = {**labels, "number": str(number)}
            yield _one(
                {**of, "__name__": "load_ratio"},
                start_ms,
                range(first, last),
                lambda second: 0.95 if second % 600 < 60 else 0.2,
            )
            yield _one(
                {**of, "__name__": "asked_total"},
                start_ms,
                range(first, last),
                lambda second: 10 * second,
            )
    for group in ("one", "two"):
        yield _one(
            {"__name__": MARK, "group": group}, start_ms + after_ms, range(first, last), lambda _: 1
        )


def _took(second: int) -> float:
    return SLOW_SECONDS if second % SLOW_EVERY == 0 else FAST_SECONDS


def _one(
    labels: dict[str, str], start_ms: int, seconds: range, value: Callable[[int], float]
) -> Any:
    made = remote.series(labels)
    for second in seconds:
        made.samples.add(timestamp=start_ms + second * 1000, value=value(second))
    return made


def made_up_run(
    folder: Path,
    seconds: int,
    rules: str,
    interrupt: Interrupt,
    unseen: range = range(0),
    pages: int = PAGES,
    after_ms: int = EVALUATED_AFTER_MS,
) -> Run:
    """A recorded run that had loaded these rules, evaluated so long after the full second; in the unseen seconds nothing was recorded."""
    start = round(time.time()) - seconds - 10
    spans = [(0, unseen.start), (unseen.stop, seconds)] if unseen else [(0, seconds)]
    with Reopened(None, interrupt) as reopened:
        for begin, end in spans:
            for first in range(begin, end, SLICE_SECONDS):
                remote.write(
                    reopened.prom.url,
                    series(start * 1000, first, min(first + SLICE_SECONDS, end), pages, after_ms),
                )
        run = Run(folder)
        shutil.move(reopened.folder / "data" / "snapshots" / reopened.prom.snapshot(), run.snapshot)
    (folder / "prometheus" / "rules").mkdir(parents=True)
    (folder / "prometheus" / "rules" / "made.yml").write_text(rules)
    run.write(RunDocument(window=Window(start, start + seconds)))
    return run


def rules(number: int, window: str = "10s", hold: str = "5s") -> str:
    """So many alerts in two groups, half of them over a gauge and half over a rate."""
    text = "groups:\n"
    for group in ("one", "two"):
        text += f"  - name: {group}\n    interval: 1s\n    rules:\n"
        text += f"      - {{record: '{MARK}', expr: vector(1), labels: {{group: {group}}}}}\n"
        for at in range(number // 4):
            text += f"      - {{alert: High{at}, expr: 'avg_over_time(load_ratio{{number=\"{at % 25}\"}}[{window}]) > 0.8', for: {hold}}}\n"
            text += f"      - {{alert: Busy{at}, expr: 'rate(asked_total{{number=\"{at % 25}\"}}[{window}]) > 11', for: {hold}}}\n"
    return text


def measured(
    what: str, aim: str, run: Run, text: str, interrupt: Interrupt, **asked: Any
) -> dict[str, object]:
    """A row: how long a backtest takes, all of it."""
    file = run.folder / "asked.yml"
    file.write_text(text)
    began = time.perf_counter()
    report = backtest(Question((file,), run, **asked), interrupt)
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
    with tempfile.TemporaryDirectory() as name, Interrupt() as interrupt:
        folder = Path(name)
        lengths = {"hour": HOUR_SECONDS, "drill": DRILL_SECONDS, "minute": MINUTE_SECONDS}
        for each in (*lengths, "amid"):
            (folder / each).mkdir()
        hour, drill, minute = (
            made_up_run(folder / each, seconds, rules(20), interrupt)
            for each, seconds in lengths.items()
        )
        amid = made_up_run(
            folder / "amid", HOUR_SECONDS, rules(20), interrupt, after_ms=AMID_A_SCRAPE_MS
        )
        rows = [
            measured("an hour", "5 s", hour, rules(20), interrupt),
            measured("an hour, each evaluation amid a scrape", "", amid, rules(20), interrupt),
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
