"""A locustfile without HTTP, whose client reports when it was answered."""

import time

from locust import User, constant, task


class Publisher(User):
    wait_time = constant(0.05)

    @task
    def publish(self):
        begin = time.perf_counter()
        time.sleep(0.01)
        took = (time.perf_counter() - begin) * 1000
        self.environment.events.request.fire(
            request_type="MQTT",
            name="publish",
            response_time=took,
            response_length=64,
            exception=None,
        )
