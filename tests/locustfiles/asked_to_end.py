"""For use beside another locustfile: SIGUSR1 ends the load as Locust does at the end of its run
time.
"""

import signal

import gevent
from locust import events
from locust.runners import WorkerRunner


@events.init.add_listener
def listen(environment, runner, **_):
    if not isinstance(runner, WorkerRunner):
        gevent.signal_handler(signal.SIGUSR1, end, environment)


def end(environment):
    if environment.shape_class:
        environment.shape_class.tick = lambda: None
    else:
        environment.runner.quit()
