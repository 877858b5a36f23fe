"""The end of a log says why a command ended."""

import pytest

from firedrill.stack.served_api import last_words


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "it printed nothing"),
        ("a\nb\n\n", "b"),
        ("Traceback\n  x\nValueError: 3\n", "ValueError: 3"),
        (
            "ModuleNotFoundError: No module named 'shop'\n[INFO] Worker exiting\nReason: boot\n",
            "ModuleNotFoundError: No module named 'shop'",
        ),
        ("KeyError: 1\nfiredrill: the command went away\n", "the command went away"),
    ],
)
def test_last_error_or_last_line_is_told(log, words):
    assert last_words(log) == words
