"""Users of both HTTP clients whose second request does not come back."""

from locust import FastHttpUser, HttpUser, constant


def ask(user):
    user.client.get("/")
    user.client.get("/hang")


class SlowUser(HttpUser):
    tasks = (ask,)
    wait_time = constant(600)


class FastUser(FastHttpUser):
    tasks = (ask,)
    wait_time = constant(600)
