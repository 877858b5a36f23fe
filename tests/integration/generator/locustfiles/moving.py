"""A locustfile that goes to another host (OTHER_HOST) after its third request."""

import os

from locust import HttpUser, constant, task


class Mover(HttpUser):
    wait_time = constant(0.1)
    asked = 0

    @task
    def ask(self):
        if self.asked == 3:
            self.client.base_url = os.environ["OTHER_HOST"]
        self.client.get("/orders")
        self.asked += 1
