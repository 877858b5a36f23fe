"""A locustfile that takes time before the test, as one that fetches its data first."""

import gevent
from locust import HttpUser, constant, events, task


@events.init.add_listener
def fetch(**_):
    gevent.sleep(1)


class Patient(HttpUser):
    wait_time = constant(1)

    @task
    def ask(self):
        self.client.get("/")
