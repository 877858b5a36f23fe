"""A user's own locustfile that knows nothing of Firedrill."""

from locust import HttpUser, constant, task


class TheirUser(HttpUser):
    wait_time = constant(0.1)

    @task
    def ask(self):
        self.client.get("/")

    @task
    def fail(self):
        self.client.get("/fail")
