"""The ranges of `firedrill harden`."""

import pytest

from firedrill.errors import BadInput
from firedrill.hardening.ranges import RANGES, SettingRange, parse

WAITRESS = RANGES["waitress"]


def test_a_range_is_read_with_its_ends():
    assert parse(["threads=2..64"], WAITRESS) == [SettingRange("threads", 2, 64)]


def test_a_setting_without_a_range_has_its_own():
    assert parse(["threads"], WAITRESS) == [SettingRange("threads", 1, 256)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no --try"),
        (["threads=64..2"], "begins above its end; expected threads=2..64"),
        (["threads=0..4"], "expected values from 1 to 256"),
        (["threads=-4..4"], "expected values from 1 to 256"),
        (["threads=2..100000"], "expected values from 1 to 256"),
        (["threads=2-64"], "expected NAME or NAME=LOW..HIGH"),
        (["threads=two..four"], "expected NAME or NAME=LOW..HIGH"),
        (["=2..4"], "expected NAME or NAME=LOW..HIGH"),
        ([""], "expected NAME or NAME=LOW..HIGH"),
        (["workers=1..4"], "no setting workers; expected threads or connection_limit"),
        (["threads=2..4", "threads=2..8"], "threads is given twice"),
    ],
)
def test_a_range_that_cannot_be_tried_is_refused(words, message):
    with pytest.raises(BadInput, match=message):
        parse(words, WAITRESS)
