"""The dashboards in a real Grafana, as the anonymous viewer sees them in a browser.

With GRAFANA_HOME, or `grafana` on PATH, a short drill is recorded and opened by `firedrill open`.
With GRAFANA_URL the tests look at that Grafana as it is; its last 15 minutes need the load of
`firedrill up`.
"""

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass

import pytest
import requests

from firedrill.contract import LOOPBACK
from firedrill.processes import ports
from firedrill.record.run_folder import Run
from firedrill.stack import grafana
from tests import dashboards, firedrill_process
from tests.waiting import PATIENCE_SECONDS, poll_until

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SCREEN = {"width": 1440, "height": 900}
WHOLE_PAGE = {"width": 1440, "height": 6000}
PANELS = """() => [
  ...document.querySelectorAll("[data-testid^='data-testid Panel header']")
].map(panel => {
  const title = panel.dataset.testid.replace("data-testid Panel header ", "");
  const heading = panel.querySelector("h2, h6") || panel;
  const part = name => panel.querySelector(`[data-testid^='data-testid ${name}']`);
  const text = panel.innerText.replace(title, "").trim();
  const error = part("Panel status error");
  const empty = part("Panel data error message");
  return {
    title,
    text,
    error: error ? error.getAttribute("aria-label") || "an error" : "",
    empty: empty ? empty.innerText.trim() : "",
    filled: panel.querySelector("canvas") !== null || text !== "",
    clipped: heading.scrollWidth > heading.clientWidth,
    bottom: panel.getBoundingClientRect().bottom,
  };
})"""
MAY_BE_EMPTY = {
    (page, title)
    for page, title, *_ in dashboards.PANEL_QUERIES
    if all(
        query.empty_when_healthy or query.requires
        for shown, panel, query, _ in dashboards.PANEL_QUERIES
        if (shown, panel) == (page, title)
    )
}


@dataclass
class Opened:
    """A Grafana that runs, and what it shows."""

    url: str
    window: str = ""
    """The shown time as a link has it; empty for the last minutes."""
    password: str = ""
    run: Run | None = None

    def page(self, name):
        return f"{self.url}/d/firedrill-{name}?{self.window}"


def _recorded(folder):
    drill = firedrill_process.start(folder, "smoke")
    _, _, errors = drill.finish(4 * PATIENCE_SECONDS)
    assert drill.run().snapshot.is_dir(), errors
    return drill.run()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    if os.environ.get("GRAFANA_URL"):
        yield Opened(os.environ["GRAFANA_URL"].rstrip("/"))
        return
    if grafana.find() is None:
        pytest.skip("no Grafana here: put `grafana` on PATH, or set GRAFANA_HOME or GRAFANA_URL")
    run = _recorded(tmp_path_factory.mktemp("grafana"))
    words = [
        "open",
        run.folder,
        "--prometheus-port",
        str(ports.any_free()),
        "--grafana-port",
        str(ports.any_free()),
    ]
    with subprocess.Popen(
        [firedrill_process.FIREDRILL, *words], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = next(line for line in process.stderr if line.startswith("Grafana"))
            url, window, password = re.search(
                r"(http://\S+)/d/firedrill-golden-signals\?(\S+) .*with (\S+)\)", line
            ).groups()
            poll_until(
                lambda: _provisioned(url), "Grafana to have its dashboards", 2 * PATIENCE_SECONDS
            )
            yield Opened(url=url, window=window, password=password, run=run)
        finally:
            process.send_signal(signal.SIGINT)


def _provisioned(url):
    try:
        return len(
            requests.get(f"{url}/api/search?tag=firedrill", timeout=PATIENCE_SECONDS).json()
        ) >= len(dashboards.DASHBOARDS)
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def look(browser):
    """Return a function that opens an address in a window of a size.

    It returns the page, and its panels once none of them is loading.
    """
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(PATIENCE_SECONDS * 1000)

    def at(address, size, panels):
        page.set_viewport_size(size)
        page.goto(address)
        seen = []

        def settled():
            page.wait_for_timeout(
                100
            )  # Lets the page work: Playwright's objects belong to this thread.
            seen[:] = page.evaluate(PANELS)
            return len(seen) >= panels and all(
                panel["filled"] or panel["empty"] or panel["error"] for panel in seen
            )

        poll_until(settled, lambda: f"the panels of {address}; so far {seen}")
        return page, seen

    yield at
    page.close()


@pytest.mark.parametrize("name", dashboards.DASHBOARDS)
def test_every_panel_shows_data(opened, look, name):
    shown = [panel for panel in dashboards.DASHBOARDS[name]["panels"] if panel["type"] != "row"]
    _, panels = look(opened.page(name), WHOLE_PAGE, len(shown))
    assert [panel for panel in panels if panel["error"]] == []
    says = {
        panel["title"]: panel["fieldConfig"]["defaults"].get("noValue", "No data")
        for panel in shown
    }
    empty = [
        panel
        for panel in panels
        if panel["empty"] or says[panel["title"]] in panel["text"].splitlines()
    ]
    assert [
        (panel["title"], panel["text"])
        for panel in empty
        if (name, panel["title"]) not in MAY_BE_EMPTY
    ] == []
    assert [panel["title"] for panel in empty if panel["empty"] != says[panel["title"]]] == [], (
        "it says why"
    )
    assert [panel["title"] for panel in panels if panel["clipped"]] == []


def test_the_printed_link_shows_the_time_of_the_run(opened):
    if not opened.run:
        pytest.skip("no run was opened for the Grafana at GRAFANA_URL")
    recorded = opened.run.recorded()
    assert opened.window == (
        f"from={recorded.start * 1000:.0f}&to={recorded.end * 1000:.0f}&refresh="
    )


def test_the_home_page_shows_all_golden_signals(opened, look):
    _, panels = look(f"{opened.url}/?{opened.window}", SCREEN, 13)
    assert [panel["title"] for panel in panels[:13]] == [
        panel["title"] for panel in dashboards.DASHBOARDS["golden-signals"]["panels"][:13]
    ]
    assert max(panel["bottom"] for panel in panels[:13]) <= SCREEN["height"]


def test_the_links_keep_time_and_choices(opened, look):
    page, _ = look(opened.page("golden-signals"), SCREEN, 13)
    links = page.locator("[data-testid='data-testid Dashboard link']")
    poll_until(lambda: links.count() == len(dashboards.DASHBOARDS), "the links to the others")
    for at in range(links.count()):
        href = links.nth(at).get_attribute("href")
        assert "from=" in href
        assert "var-run=" in href


def test_the_anonymous_viewer_may_not_edit(opened):
    answer = requests.get(
        f"{opened.url}/api/dashboards/uid/firedrill-client", timeout=PATIENCE_SECONDS
    ).json()
    assert answer["meta"]["canEdit"] is False
    assert answer["meta"]["canSave"] is False
    changed = {"dashboard": {**answer["dashboard"], "title": "Mine"}, "overwrite": True}
    assert requests.post(
        f"{opened.url}/api/dashboards/db", json=changed, timeout=PATIENCE_SECONDS
    ).status_code in {401, 403}
    assert requests.get(
        f"{opened.url}/api/admin/settings", timeout=PATIENCE_SECONDS
    ).status_code in {401, 403}


def test_nobody_logs_in_with_the_default_password(opened):
    assert (
        requests.get(
            f"{opened.url}/api/user", auth=("admin", "admin"), timeout=PATIENCE_SECONDS
        ).status_code
        == 401
    )


def test_the_printed_password_logs_in_the_admin(opened):
    if not opened.password:
        pytest.skip("the Grafana at GRAFANA_URL has a password of its own")
    assert opened.url.startswith(f"http://{LOOPBACK}:")
    user = requests.get(
        f"{opened.url}/api/user", auth=("admin", opened.password), timeout=PATIENCE_SECONDS
    ).json()
    assert (user["login"], user["isGrafanaAdmin"]) == ("admin", True)
