"""Users of both HTTP clients that lose an answer in each way there is, and report one in order."""

from locust import FastHttpUser, HttpUser, constant, task


class Careless:
    wait_time = constant(60)

    @task
    def ask(self):
        with self.client.get("/", name="reported", catch_response=True) as response:
            response.failure("not what was asked for")
        self.client.get("/", name="never entered", catch_response=True)
        with self.client.get("/", name="never left", catch_response=True):
            raise RuntimeError("a mistake in the test")


class SlowUser(Careless, HttpUser):
    pass


class FastUser(Careless, FastHttpUser):
    pass
