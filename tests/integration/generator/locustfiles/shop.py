"""A locustfile with two kinds of users by weight, with tags."""

from locust import FastHttpUser, HttpUser, between, tag, task


class Reader(FastHttpUser):
    weight = 3
    wait_time = between(0.05, 0.1)

    @tag("read")
    @task(5)
    def look(self):
        self.client.get("/catalogue")

    @tag("write")
    @task(5)
    def review(self):
        self.client.post("/reviews", json={"stars": 5})


class Editor(HttpUser):
    weight = 1
    wait_time = between(0.05, 0.1)

    @tag("read")
    @task
    def look(self):
        self.client.get("/catalogue", name="/catalogue (editor)")

    @task
    def untagged(self):
        self.client.get("/fail")
