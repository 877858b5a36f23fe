"""A user's own locustfile that plays less than it was asked for, and whose tasks raise. Its
requests are not seen while they wait.
"""

from locust import LoadTestShape, User, constant, task


class Lonely(LoadTestShape):
    """A shape with one user, which ends the load early."""

    def tick(self):
        return (1, 1) if self.get_run_time() < 8 else None


class Clumsy(User):
    wait_time = constant(0.05)

    @task
    def publish(self):
        fired = {"response_length": 64, "exception": None, "context": {}}
        self.environment.events.request.fire(
            request_type="MQTT", name="publish", response_time=1.0, **fired
        )

    @task
    def stumble(self):
        raise KeyError("a mistake of mine")
