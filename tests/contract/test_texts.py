"""Texts that users read first are listed in one place, and use one word for each thing."""

import functools
import re

import pytest

from docs import texts

OLD_WORDS = re.compile(
    r"honest|ran out first|would have been told|who is told|never sent$|left at the end"
    r"|begun late|of them failed|metrics page|open loop|closed loop",
    re.IGNORECASE,
)


@functools.cache
def listed(section):
    """Return the texts of a section; it reads the sources of the whole product."""
    return list(texts.SECTIONS[section]())


@pytest.mark.parametrize("section", texts.SECTIONS)
def test_every_section_lists_texts(section):
    assert len(listed(section)) > 10


@pytest.mark.parametrize("section", ["Report", "Panels", "Alerts", "Metrics"])
def test_one_thing_has_one_word(section):
    assert [text for text in listed(section) if OLD_WORDS.search(text)] == []
