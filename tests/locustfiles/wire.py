"""Users of both HTTP clients who are answered at once, after a redirect, and too late."""

from locust import FastHttpUser, HttpUser, constant


def ask(user):
    user.client.get("/")
    user.client.get("/redirect")
    user.client.get("/slow", **user.patience)


class SlowUser(HttpUser):
    tasks = (ask,)
    wait_time = constant(60)
    patience = {"timeout": 0.3}  # noqa: RUF012 - as locustfiles are written


class FastUser(FastHttpUser):
    tasks = (ask,)
    wait_time = constant(60)
    network_timeout = 0.3
    patience = {}  # noqa: RUF012
