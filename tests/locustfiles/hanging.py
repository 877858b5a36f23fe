"""Users of both HTTP clients whose second request does not come back."""

from locust import FastHttpUser, HttpUser, constant, task


class Hanging:
    wait_time = constant(60)

    @task
    def ask(self):
        self.client.get("/")
        self.client.get("/hang")


class SlowUser(Hanging, HttpUser):
    pass


class FastUser(Hanging, FastHttpUser):
    pass
