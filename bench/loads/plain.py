"""BasicUser in plain Locust: no shape, no exporter, no pause."""

import os

from locust import FastHttpUser, events, task


class BasicUser(FastHttpUser):
    """Asks again as soon as it is answered."""

    @task
    def index(self) -> None:
        """Request the front page."""
        self.client.get("/")


LOG = os.environ.get("BENCH_LOG", "")

if LOG:
    times: list[float] = []
    events.request.add_listener(lambda response_time, **_: times.append(response_time))  # type: ignore[no-untyped-call]

    @events.quitting.add_listener  # type: ignore[untyped-decorator]
    def write(**_: object) -> None:
        """Every response time in milliseconds, a line each."""
        with open(LOG, "w", encoding="ascii") as file:  # noqa: PTH123 - one line of a locustfile
            file.writelines(f"{time!r}\n" for time in times)
