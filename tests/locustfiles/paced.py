"""Users with a pace: one they can keep, one they cannot, and none."""

from locust import HttpUser, between, constant_pacing, constant_throughput, task


class Steady(HttpUser):
    wait_time = constant_throughput(5)

    @task
    def ask(self):
        self.client.get("/")


class Hasty(HttpUser):
    wait_time = constant_pacing(0.5)

    @task
    def ask(self):
        self.client.get("/slow")


class Unpaced(HttpUser):
    wait_time = between(0.1, 0.2)

    @task
    def ask(self):
        self.client.get("/")
