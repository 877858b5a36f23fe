"""Users with a set-up and a tear-down that send failing requests, and a check that fails."""

import gevent
from locust import HttpUser, constant, events, task
from locust.clients import HttpSession

SETUP_SECONDS = 3


def send(environment, name):
    HttpSession(environment.host, environment.events.request, None).get("/fail", name=name)


@events.test_start.add_listener
def seed(environment, **_):
    send(environment, "seed")
    gevent.sleep(SETUP_SECONDS)
    print("seeded", flush=True)


@events.test_stop.add_listener
def clean(environment, **_):
    send(environment, "clean")


@events.quitting.add_listener
def check(environment, **_):
    environment.process_exit_code = 1


class Shop(HttpUser):
    wait_time = constant(0.1)

    @task
    def page(self):
        self.client.get("/")

    def on_stop(self):
        send(self.environment, "bye")
