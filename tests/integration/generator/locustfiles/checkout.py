"""A locustfile with one sequence of steps, judged by the text of the answers."""

from locust import HttpUser, SequentialTaskSet, between, task


class Checkout(SequentialTaskSet):
    wait_time = between(5, 9)

    @task
    def browse(self):
        with self.client.get("/", catch_response=True) as response:
            if not response.json()["ok"]:
                response.failure("not ok")

    @task
    def pay(self):
        with self.client.post("/pay", json={"amount": 3}, catch_response=True) as response:
            response.failure("declined")

    @task
    def leave(self):
        self.interrupt()


class Shopper(HttpUser):
    tasks = [Checkout]  # noqa: RUF012 - as Locust's own documentation has it
    wait_time = between(5, 9)
