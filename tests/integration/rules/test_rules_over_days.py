"""The burn-rate alerts fire in time over hours, and after a quiet day, as promtool evaluates."""

import pytest

from firedrill import places
from tests.rules.promtool import promtool


@pytest.mark.parametrize("cases", ["hours.yml", "budget.yml"])
def test_burn_rate_alerts_do_what_their_cases_say(cases):
    assert "SUCCESS" in promtool("test", "rules", places.PROMETHEUS / "tests" / cases)
