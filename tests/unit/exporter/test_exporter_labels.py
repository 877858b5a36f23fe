"""Labels stay few and clean, whatever a locustfile reports."""

import pytest
from locust_exporter.counting.sanitize import Cap, error_class, label_value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("HTTPError('503 Server Error: for url: /')", "HTTP 503"),
        ("BadStatusCode('http://127.0.0.1/', code=404)", "HTTP 404"),
        ("ConnectionRefusedError(111, 'Connection refused')", "ConnectionRefusedError"),
        ("ReadTimeout(ReadTimeoutError('read timed out'))", "timeout"),
        ("RetriesExceeded('/slow', 0, original=timed out)", "timeout"),
        ("<Missing object at 0x7f00>", "other"),
        ("order 4711 was not found", "other"),
    ],
)
def test_an_error_is_its_class_and_never_its_message(error, expected):
    assert error_class(error) == expected


def test_a_label_is_short_text_that_can_be_encoded():
    assert label_value(None) == ""
    assert label_value("\ud800") == r"\ud800"
    assert len(label_value("ü" * 1000)) == 200


def test_different_long_texts_stay_different():
    texts = [
        "x" * 199,
        "x" * 200,
        "x" * 201,
        "x" * 202,
        "x" * 200 + "y",
        "other",
        "\ud800",
        "\udfff" * 200,
    ]
    labels = [label_value(text) for text in texts]
    assert len(set(labels)) == len(texts)
    assert [label_value(label) for label in labels] == labels
    assert {len(label) for label in labels if "~" in label} == {200, len("other~") + 8}
    assert labels[:2] == texts[:2]


def test_values_beyond_the_cap_stay_folded():
    cap = Cap(2)
    assert [cap.fold(name) for name in "abcab"] == ["a", "b", "other", "a", "b"]
    assert cap.fold("c") == "other"
    assert cap.folded == 1
