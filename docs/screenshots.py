"""Take the pictures of reports for README and docs: `python -m docs.screenshots`.

They show the newest runs of a drill; a drill is played where there is none.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill.cli import main as firedrill
from firedrill.drill.play import three_servers
from firedrill.interrupt import Interrupt
from firedrill.record import run_folder
from firedrill.record.outcome import Status
from firedrill.record.run_document import ServerSetup
from firedrill.report import report_writer
from firedrill.report.run_facts import Facts
from tests.browser import chromium

if TYPE_CHECKING:
    from firedrill.record.run_folder import Run

RUNS = Path("runs")
IMAGES = Path(__file__).parent / "images"
SIZE = {"width": 1120, "height": 720}
LARGEST_BYTES = 120_000


def newest() -> list[Run]:
    """Return the newest valid run of each of the drill's servers; empty if one is missing."""
    by_server = {run.read().server: run for run in run_folder.runs_in(RUNS) if _is_shown(run)}
    runs = [by_server.get(ServerSetup(**asdict(server))) for server in three_servers.SERVERS]
    last = runs[-1]
    advised = three_servers.advised(last.read().diagnosis) if last else None
    runs.append(by_server.get(ServerSetup(**asdict(advised))) if advised else None)
    found = [run for run in runs if run]
    return found if len(found) == len(runs) else []


def _is_shown(run: Run) -> bool:
    facts = Facts(run.id, run.read())
    return facts.profile == "launch" and facts.status in {Status.PASSED, Status.FAILED}


def main() -> None:
    """Write the pictures."""
    if not newest():
        firedrill(["drill", "--out", str(RUNS)], standalone_mode=False)
    runs = newest()
    IMAGES.mkdir(exist_ok=True)
    with Interrupt() as interrupt, chromium.browser() as browser:
        pages = {
            "report": (report_writer.write_run_report(runs[1], interrupt), "light"),
            "comparison": (report_writer.write_comparison(runs, RUNS, interrupt), "dark"),
        }
        for name, (file, scheme) in pages.items():
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(file.absolute().as_uri())
            page.wait_for_selector("html[data-drawn]", state="attached")
            page.wait_for_function("() => Bokeh.documents[0].is_idle")
            page.screenshot(path=IMAGES / f"{name}.png")
            size = (IMAGES / f"{name}.png").stat().st_size
            assert size < LARGEST_BYTES, f"{name}.png has {size} bytes"


if __name__ == "__main__":
    main()
