"""Every setting of the exporter is documented."""

import re

from firedrill import places


def test_every_variable_that_the_exporter_reads_is_documented():
    read = set(
        re.findall(
            r"[A-Z]+(?:_[A-Z]+)+(?=\"|:)",
            (places.ROOT / "exporters/locust_exporter/exporter_settings.py").read_text(),
        )
    )
    documented = (places.ROOT / "docs" / "bring-your-own.md").read_text()
    variables = {name for name in read if name.startswith(("FIREDRILL_", "LOAD_"))}
    assert len(variables) >= 9
    assert {name for name in variables if f"`{name}`" not in documented} == set()
