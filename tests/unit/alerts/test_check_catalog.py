"""Each check finds the example on its page, and nothing in the remedy."""

import pytest

from firedrill.alerts.lint import catalog, checks
from firedrill.alerts.lint.catalog import ENTRIES
from firedrill.alerts.lint.known_series import Inventory
from tests import required_programs

EXISTING = Inventory(other_names=frozenset({"up"}))


def found(folder, entry, rules):
    required_programs.require("promtool")
    items = "".join(f"      {line}\n" for line in rules.split("---\n")[0].splitlines())
    further = "".join(f"---\n{text}" for text in rules.split("---\n")[1:])
    file = folder / "r.yml"
    file.write_text(f"groups:\n  - name: g\n    interval: 15s\n    rules:\n{items}{further}")
    inventory = EXISTING if entry.name == "unknown_metric" else None
    return {finding.check: finding.severity for finding in checks.check(file, inventory)}


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_an_example_has_its_finding_and_the_remedy_none(tmp_path, entry):
    assert found(tmp_path, entry, entry.bad).get(entry.name) == entry.severity
    assert entry.name not in found(tmp_path, entry, entry.good)


def test_every_check_has_a_page():
    names = {"unknown_metric", "file", "promtool", "documents", "duplicate", "ignore"}
    assert names < set(catalog.BY_NAME)
    assert len(catalog.BY_NAME) == len(ENTRIES)
