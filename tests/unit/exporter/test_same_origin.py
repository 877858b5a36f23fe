"""Foreign web pages cannot control Locust."""

import pytest
from firedrill_load.same_origin import is_foreign


@pytest.mark.parametrize(
    ("origin", "host", "foreign"),
    [
        (None, "127.0.0.1:8089", False),
        ("http://127.0.0.1:8089", "127.0.0.1:8089", False),
        ("http://evil.example", "127.0.0.1:8089", True),
        ("http://127.0.0.1:3000", "127.0.0.1:8089", True),
        ("null", "127.0.0.1:8089", True),
    ],
)
def test_only_its_own_page_and_programs_control_locust(origin, host, foreign):
    assert is_foreign(origin, host) is foreign
