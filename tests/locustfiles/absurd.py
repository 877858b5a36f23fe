"""A locustfile that reports what no client should, once."""

from locust import User, constant, events, task

TIMES = (0, -5, 0.0004, 1.5, True, 3e5, 1e12, 1e300)
LENGTHS = (-3, 1.5, 10**15)
METHODS = (None, 7, "", "G" * 5000)
NAMES = (None, "", 12, "\x00\x1b[31m", "é" * 10_000, '"\n\\' * 3400)
ERRORS = (ValueError("x"), "text", KeyError(), Exception("A" * 10_000), BaseException())


def fire(**given):
    usual = {"request_type": "GET", "name": "usual", "response_time": 1.0, "response_length": 0, "exception": None}
    events.request.fire(**{**usual, **given})


class Absurd(User):
    wait_time = constant(60)

    @task
    def report(self):
        # What Locust itself cannot add up, it says, and counts nowhere but in its sum of all.
        for time in (float("nan"), float("inf"), "12"):
            fire(name="impossible", response_time=time)
        fire(name="impossible", response_length=None)
        for key, values in {
            "response_time": TIMES,
            "response_length": LENGTHS,
            "request_type": METHODS,
            "name": NAMES,
            "exception": ERRORS,
        }.items():
            for value in values:
                fire(**{key: value})
