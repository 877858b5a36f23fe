"""Users with a pace that they keep, with one that they cannot keep, and without one.

Each has a clock of its own, which no machine slows down.
"""

import gevent
from locust import TaskSet, User, between, constant_pacing, constant_throughput, task
from locust.user import wait_time

ONE_TASK_SECONDS = 0.1

clock = gevent.local.local()
"""Each user runs in a greenlet of its own."""


def now():
    return getattr(clock, "seconds", 1000.0)


def spend(seconds):
    clock.seconds = now() + seconds


def sleep(_, seconds):
    spend(seconds)
    gevent.sleep(0.01)


wait_time.perf_counter = now
TaskSet._sleep = sleep


class Clocked(User):
    abstract = True

    def on_start(self):
        self._cp_last_run = now()


class Steady(Clocked):
    wait_time = constant_throughput(5)

    @task
    def work(self):
        spend(ONE_TASK_SECONDS)


class Hasty(Clocked):
    wait_time = constant_pacing(0.5)

    @task
    def work(self):
        spend(2 * 0.5)


class Unpaced(Clocked):
    wait_time = between(0.1, 0.2)

    @task
    def work(self):
        spend(ONE_TASK_SECONDS)
