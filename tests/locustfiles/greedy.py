"""Users that compute before each request: one core makes 33 requests a second, however fast the API
is.
"""

import time

from locust import FastHttpUser, task


class Greedy(FastHttpUser):
    @task
    def compute(self):
        end = time.perf_counter() + 0.03
        while time.perf_counter() < end:
            pass
        self.client.get("/")
