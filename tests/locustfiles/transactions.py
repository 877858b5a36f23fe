"""Users of Locust's own client that also report requests which nobody saw begin."""

import time

from locust import HttpUser, constant, task


class Shop(HttpUser):
    wait_time = constant(0.2)

    @task
    def check_out(self):
        begun = time.perf_counter()
        self.client.get("/catalogue")
        with self.client.get("/catalogue", catch_response=True) as response:
            response.success()
        with self.environment.events.request.measure("LOCAL", "sum"):
            sum(range(10))
        self.environment.events.request.fire(
            request_type="TRANSACTION",
            name="checkout",
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=0,
            exception=None,
            context={},
        )


class Guest(HttpUser):
    wait_time = constant(0.2)

    @task
    def look(self):
        self.client.get("/catalogue")
