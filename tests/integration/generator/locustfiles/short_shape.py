"""A load shape of the locustfile's own, of two seconds."""

from locust import LoadTestShape


class Short(LoadTestShape):
    def tick(self):
        return (1, 1) if self.get_run_time() < 2 else None
