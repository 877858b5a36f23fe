"""How long this machine stands still by itself, to read the other figures beside."""

import time


def test_the_machine_keeps_running(proof):
    def measure():
        longest, before = 0.0, time.perf_counter()
        end = before + 3
        while before < end:
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
        return {"longest stall in 3 s (s)": longest}

    proof.holds(measure, repeats=3, at_most={"longest stall in 3 s (s)": 1.0})
