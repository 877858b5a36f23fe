"""A locustfile with HTTP users, and users that are stuck elsewhere and may or may not say so."""

import gevent
from locust import HttpUser, User, constant, tag, task


class Web(HttpUser):
    fixed_count = 1
    wait_time = constant(0.1)

    @tag("web")
    @task
    def ask(self):
        self.client.get("/catalogue")


class Bus(User):
    fixed_count = 1

    @tag("measured")
    @task
    def publish(self):
        # As clients do that wait in a greenlet of their own.
        gevent.spawn(self.wait_for_ever).join()

    def wait_for_ever(self):
        with self.environment.events.request.measure("MQTT", "publish"):
            gevent.sleep(600)

    @tag("fired")
    @task
    def publish_unseen(self):
        gevent.sleep(600)
        self.environment.events.request.fire(
            request_type="MQTT",
            name="publish",
            response_time=600_000,
            response_length=64,
            exception=None,
        )
