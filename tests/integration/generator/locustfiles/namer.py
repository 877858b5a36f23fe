"""A locustfile that names every request differently, some at great length, and then says so."""

import time

from locust import User, constant, events, task

NAMES = 50_000


class Namer(User):
    wait_time = constant(600)

    @task
    def name(self):
        for number in range(NAMES):
            if number % 500 == 0:
                time.sleep(0)  # other greenlets run
            events.request.fire(
                request_type="GET", name=f"/items/{number}", response_time=5, response_length=1
            )
        for number in range(3):
            events.request.fire(
                request_type="GET",
                name='"\n\\' * 3400 + str(number),
                response_time=None,
                response_length=0,
            )
        events.request.fire(request_type="DONE", name=None, response_time=1, response_length=0)
