"""Users of both HTTP clients who are answered at once, after a redirect, and never."""

from locust import FastHttpUser, HttpUser, constant
from locust.contrib.fasthttp import FastHttpSession

LONG_SECONDS = 600.0
GIVE_UP_SECONDS = 0.3


class SlowUser(HttpUser):
    wait_time = constant(LONG_SECONDS)

    def ask(self):
        self.client.get("/")
        self.client.get("/redirect")
        self.client.get("/hang", timeout=(LONG_SECONDS, GIVE_UP_SECONDS))

    tasks = (ask,)


class FastUser(FastHttpUser):
    wait_time = constant(LONG_SECONDS)
    network_timeout = connection_timeout = LONG_SECONDS

    def ask(self):
        self.client.get("/")
        self.client.get("/redirect")
        impatient = FastHttpSession(
            self.host,
            self.environment.events.request,
            self,
            network_timeout=GIVE_UP_SECONDS,
            connection_timeout=LONG_SECONDS,
            max_retries=self.max_retries,
        )
        impatient.get("/hang")

    tasks = (ask,)
