"""The exporter reads its settings from the environment."""

import pytest
from locust_exporter.exporter_settings import Settings, read_settings

from firedrill.errors import BadInput


def test_the_defaults_are_as_documented():
    assert read_settings({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FIREDRILL_EXPORTER_PORT", "65536", "a whole number from 0 to 65535"),
        ("FIREDRILL_EXPORTER_PORT", "-1", "a whole number from 0 to 65535"),
        ("FIREDRILL_EXPORTER_PORT", "http", "a whole number"),
        ("FIREDRILL_MAX_NAMES", "0", "a whole number from 1 to 1000000"),
        ("FIREDRILL_LINGER_SECONDS", "inf", "a number from 0 to 1000000"),
        ("FIREDRILL_STARVATION_SECONDS", "-3", "a number from 0 to 1000000"),
        ("FIREDRILL_TIME_SCALE", "nan", "a number from 1 to 1000000"),
    ],
)
def test_a_meaningless_value_is_refused(name, value, expected):
    with pytest.raises(BadInput) as mistake:
        read_settings({name: value})
    assert str(mistake.value) == f"{name} is {value!r}; expected {expected}"
