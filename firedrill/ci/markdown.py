"""A Markdown summary of runs, as CI services show it beside a job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.ci.checks import Outcome, checks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firedrill.record.figures import Figures
    from firedrill.record.run_document import RunDocument

MARKS = {
    Outcome.PASSED: "✅",
    Outcome.FAILED: "❌",
    Outcome.ERROR: "⚠️",
    Outcome.SKIPPED: "➖",
}

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~@$!&]|:(?! )|(?<=www)\.")
LONGEST_CELL = 400
"""Characters; a service refuses a summary that is too long."""


def text_of(documents: Iterable[RunDocument]) -> str:
    """Return a section for each run: its verdict, its checks and its figures."""
    return "\n".join(map(_section, documents))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, with every cell shown as it is."""
    lines = [[escaped(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *lines)]


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, link, mention or line break."""
    one_line = " ".join("".join(filter(_is_shown, text.replace("\n", " "))).split())
    cut = one_line if len(one_line) <= LONGEST_CELL else one_line[: LONGEST_CELL - 1] + "…"
    # A service links names and addresses even behind a backslash, but not as an entity.
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", cut)


def _is_shown(character: str) -> bool:
    return character == " " or character.isprintable()


def _section(document: RunDocument) -> str:
    lines = [f"### {_verdict_mark(document)} {document.status}: {escaped(document.title)}", ""]
    lines += table(
        ("", "check", "detail"),
        ((MARKS[check.outcome], check.name, check.text) for check in checks_of(document)),
    )
    lines += ["", *(f"- {escaped(remark.text)}" for remark in document.remarks)]
    if document.figures:
        lines += ["", *_figures(document.figures)]
    return "\n".join([*lines, "", f"Run `{document.id}`", ""])


def _verdict_mark(document: RunDocument) -> str:
    outcomes = {"PASSED": Outcome.PASSED, "FAILED": Outcome.FAILED}
    return MARKS[outcomes.get(document.status, Outcome.ERROR)]


def _figures(figures: Figures) -> list[str]:
    client, server = figures.client, figures.server
    waiting = client.latency_including_waiting_seconds
    names = ("p50", "p95", "p99")
    rows = [
        (
            "p50 / p95 / p99, waiting included",
            units.together(
                [waiting.get(name) for name in names],
                [at for at, name in enumerate(names) if name in client.at_least],
            ),
        ),
        ("p50 / p95 / p99, server", units.together([server.latency_seconds.get(n) for n in names])),
        ("offered load", units.rate(client.offered_rate)),
        ("achieved load", units.rate(client.rate)),
        ("errors", units.percent(client.error_ratio)),
        ("first saturated", figures.saturation.ran_out_first or units.NOTHING),
    ]
    return table(("figure", "value"), (row for row in rows if row[1] != units.NOTHING))
