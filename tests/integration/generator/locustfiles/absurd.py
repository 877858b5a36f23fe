"""A locustfile that reports values that no client should report, once."""

from fractions import Fraction

from locust import User, constant, events, task

TIMES = (0, 0.0004, 1.5, True, Fraction(3, 2), 3e5, 1e12)
NO_TIMES = (-5, 1e300, 2**70, float("nan"), float("inf"), "12", None)
LENGTHS = (1.5, 10**15)
NO_LENGTHS = (-3, 2**70, float("nan"), float("inf"), "12", None)
METHODS = (None, 7, "", "G" * 5000, "\udcff", 2**70)
NAMES = (None, "", 12, "\x00\x1b[31m", "é" * 10_000, '"\n\\' * 3400, "\udcff", 2**70, ("a", "b"))
ERRORS = (ValueError("x"), "text", KeyError(), Exception("A" * 10_000), BaseException())


def fire(**given):
    usual = {
        "request_type": "GET",
        "name": "usual",
        "response_time": 1.0,
        "response_length": 0,
        "exception": None,
    }
    events.request.fire(**{**usual, **given})


class Absurd(User):
    wait_time = constant(600)

    @task
    def report(self):
        for time in NO_TIMES:
            fire(name="timeless", response_time=time)
        for length in NO_LENGTHS:
            fire(name="lengthless", response_length=length)
        for key, values in {
            "response_time": TIMES,
            "response_length": LENGTHS,
            "request_type": METHODS,
            "name": NAMES,
            "exception": ERRORS,
        }.items():
            for value in values:
                fire(**{key: value})
        # Two that differ far behind, and both fail.
        for end in "ab":
            fire(name="long" * 100 + end, exception=ValueError(end))
