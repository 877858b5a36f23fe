"""Texts that users read first are listed in one place, and use one word for each thing."""

import re

import pytest

from docs import texts

OLD_WORDS = re.compile(
    r"honest|ran out first|would have been told|who is told|never sent$|left at the end"
    r"|begun late|of them failed|metrics page|open loop|closed loop",
    re.IGNORECASE,
)


@pytest.mark.parametrize("section", texts.SECTIONS)
def test_every_section_lists_texts(section):
    assert len(list(texts.SECTIONS[section]())) > 10


@pytest.mark.parametrize("section", ["Report", "Panels", "Alerts", "Metrics"])
def test_one_thing_has_one_word(section):
    assert [text for text in texts.SECTIONS[section]() if OLD_WORDS.search(text)] == []
