"""Users of both HTTP clients that lose an answer in each possible way, and report one in order."""

from locust import FastHttpUser, HttpUser, constant


def ask(user):
    with user.client.get("/", name="reported", catch_response=True) as response:
        response.failure("not what was asked for")
    user.client.get("/", name="never entered", catch_response=True)
    with user.client.get("/", name="never left", catch_response=True):
        raise RuntimeError("a mistake in the test")


class SlowUser(HttpUser):
    tasks = (ask,)
    wait_time = constant(600)


class FastUser(FastHttpUser):
    tasks = (ask,)
    wait_time = constant(600)
