"""A user without network requests, which never waits for anything."""

import time

from locust import User, constant, task


class Computing(User):
    wait_time = constant(0)

    @task
    def compute(self):
        began = time.perf_counter()
        while time.perf_counter() - began < 0.02:
            pass
        self.environment.events.request.fire(
            request_type="COMPUTE",
            name="20 ms",
            response_time=20.0,
            response_length=0,
            exception=None,
            context={},
        )
