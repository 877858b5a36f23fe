"""How soon `firedrill alerts watch` puts a saved rule file into force."""

import itertools
import time

from tests.integration.alerts.alerts_watch import watching


def test_a_saved_rule_is_in_force_soon(proof, tmp_path):
    figure = "time from save to force (s)"
    expected = itertools.count(1)
    with watching(tmp_path) as watched:

        def measure():
            number = str(next(expected))
            began = time.monotonic()
            watched.save(number)
            watched.await_loaded(number)
            return {figure: time.monotonic() - began}

        proof.holds(measure, repeats=5, at_most={figure: 2.0})
