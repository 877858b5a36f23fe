"""Links between the documents lead somewhere, and panels that the runbook names exist."""

import json
import re

import pytest

from firedrill import places
from grafana.source.dashboard_layout import panels_in

DOCUMENTS = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", "load/**/*.md", "prometheus/**/*.md", "secrets/*.md")
    for file in places.ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(text):
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(places.ROOT)))
def test_links_lead_to_files_and_headings(file):
    for link in LINK.findall(FENCED.sub("", file.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path) if path else file
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


def test_panels_that_the_runbook_names_exist():
    titles = {
        panel["title"]
        for file in (places.GRAFANA / "dashboards").glob("*.json")
        for panel in panels_in(json.loads(file.read_text()))
    }
    runbook = (places.ROOT / "docs" / "runbook.md").read_text()
    named = {
        " ".join(name.split()) for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", runbook)
    } - {"italics", "Faults"}
    assert len(named) >= 10
    assert named <= titles
