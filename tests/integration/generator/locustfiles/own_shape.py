"""A locustfile with a shape of its own: seven users."""

from locust import FastHttpUser, LoadTestShape, constant, task


class TheirUser(FastHttpUser):
    wait_time = constant(0.2)

    @task
    def ask(self):
        self.client.get("/")


class TheirShape(LoadTestShape):
    def tick(self):
        return 7, 7
