"""The burn-rate alerts fire in time after a quiet day, in two days of evaluations by promtool."""

from firedrill import places
from tests.rules.promtool import promtool


def test_burn_rate_alerts_do_what_their_cases_say():
    assert "SUCCESS" in promtool("test", "rules", places.PROMETHEUS / "tests" / "budget.yml")
