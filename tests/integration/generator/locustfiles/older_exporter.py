"""A worker with another version of the exporter: messages of the same types in another form."""

import gevent
from locust import events
from locust.runners import WorkerRunner


@events.init.add_listener
def on_init(environment, runner, **_):
    if isinstance(runner, WorkerRunner):
        environment.events.report_to_master.add_listener(
            lambda data, **_: data.update(firedrill={"in_flight": 3})
        )
        gevent.spawn(send, runner)


def send(runner):
    while True:
        gevent.sleep(0.5)
        runner.send_message("firedrill", {"in_flight": 3})
