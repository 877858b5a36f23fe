"""Users and listeners that raise."""

from locust import HttpUser, constant, events, task


@events.test_start.add_listener
def seed(**_):
    raise RuntimeError("cannot seed the database")


@events.request.add_listener
def look(name, **_):
    raise KeyError(name)


class Shop(HttpUser):
    wait_time = constant(0.1)

    @task
    def page(self):
        self.client.get("/")
        raise ValueError("of page")
