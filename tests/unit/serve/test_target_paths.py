"""The requests of --path are read from text, and pass through the environment unchanged."""

import pytest

from firedrill import target_paths
from firedrill.errors import BadInput
from firedrill.target_paths import TargetPath


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/health", TargetPath("GET", "/health")),
        ("/search?q=a%20b", TargetPath("GET", "/search?q=a%20b")),
        ("get /x", TargetPath("GET", "/x")),
        ('POST /orders {"a": [1, 2]}', TargetPath("POST", "/orders", '{"a": [1, 2]}')),
        ("  DELETE   /orders/1 ", TargetPath("DELETE", "/orders/1")),
    ],
)
def test_path_is_read_and_passed_on(text, path):
    assert TargetPath.parse(text) == path
    variable = target_paths.as_variable([path])[target_paths.VARIABLE]
    assert target_paths.from_variable(variable) == [path]


@pytest.mark.parametrize(
    "text", ["", "health", "FETCH /x", "GET", "GET health", "POST /orders {a", "http://x/y"]
)
def test_text_that_is_no_request_is_refused(text):
    with pytest.raises(BadInput, match="--path"):
        TargetPath.parse(text)


def test_no_variable_means_no_paths():
    assert target_paths.as_variable([]) == {}
    assert target_paths.from_variable(None) == target_paths.from_variable("") == []
