"""A user that reports given response times, once: their histogram is known.

TIMES holds them in milliseconds.
"""

import os

from locust import User, constant, events, task

TIMES = [float(time) for time in os.environ["TIMES"].split()]


class Teller(User):
    wait_time = constant(600)

    @task
    def tell(self):
        for time in TIMES:
            events.request.fire(
                request_type="TELL", name="times", response_time=time, response_length=7
            )
        events.request.fire(
            request_type="TELL", name="times", response_time=None, response_length=0
        )
        for number in range(10):
            events.request.fire(
                request_type=None, name=f'name "{number}"\n\\', response_time=1, response_length=0
            )
        for error in (
            TimeoutError("after 5 s"),
            ConnectionRefusedError(111, "refused"),
            "free text, different each time",
        ):
            events.request.fire(
                request_type="TELL",
                name="errors",
                response_time=1,
                response_length=0,
                exception=error,
            )
