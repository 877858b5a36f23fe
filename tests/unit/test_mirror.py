"""Files that are edited while a Prometheus and an Alertmanager run on a copy of them."""

import shutil

import pytest

from firedrill import places
from firedrill.stack.watch import Mirror


@pytest.fixture
def mirror(tmp_path):
    """A mirror of the bundle's routing alone."""
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(places.PROMETHEUS / "alertmanager.yml", source)
    mirror = Mirror(source, tmp_path / "into", 12.0)
    assert mirror.update() == (True, [])
    return mirror


def test_routing_that_is_half_typed_leaves_the_one_before_in_force(mirror):
    before = (mirror.into / "alertmanager.yml").read_text()
    assert "group_wait: 2500ms" in before
    (mirror.source / "alertmanager.yml").write_text("route:\n  group_wait: [\n")
    changed, (mistake,) = mirror.update()
    assert not changed
    assert mistake.startswith("alertmanager.yml: line ")
    assert mistake.endswith("; the rest stays in force")
    assert (mirror.into / "alertmanager.yml").read_text() == before
