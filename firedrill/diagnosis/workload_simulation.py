"""A simulation of a load profile against a pool of workers, in order of arrival.

Mean value analysis gives means only. The simulation has the profile's own steps and think times,
and the measured distribution of service times.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.profile import Profile
    from firedrill.record.diagnosis import ServiceModel

MOST_REQUESTS = 50_000
"""A run with more is simulated in proportion: all of its steps are shorter."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The figures of a simulated run after its warm-up."""

    p99_seconds: float
    """Requests that wait at the end count at the age that they have."""
    rate: float


@dataclass(slots=True)
class Simulation:
    """A simulated run of a profile against one server."""

    profile: Profile
    seconds: float
    """Length of the load."""
    model: ServiceModel
    workers: int | None = None
    """Size of the pool; None: a worker for every request."""
    connections: int | None = None
    """Connections that the server accepts, which users keep; None: all."""
    _random: Random = field(default_factory=lambda: Random(1))  # noqa: S311 -- no secret
    _free: list[float] = field(default_factory=list)

    def run(self) -> Expected | None:
        """Return what to expect; None where the think time is not known."""
        if self.profile.open_loop is not None:
            requests = self._open()
        elif self.model.think_seconds is not None:
            requests = self._closed(self.model.think_seconds)
        else:
            return None
        warmup, end = self.profile.warmup_seconds / self._speed, self.seconds / self._speed
        judged = [(sent, done) for sent, done in requests if done > warmup]
        times = sorted(min(done, end) - sent for sent, done in judged)
        if not times or end <= warmup:
            return None
        answered = sum(done <= end for _, done in judged)
        return Expected(times[math.ceil(0.99 * len(times)) - 1], answered / (end - warmup))

    @property
    def _speed(self) -> float:
        """Seconds of the profile that pass in a simulated second."""
        seconds = range(int(self.seconds) + 1)
        step = max(1, len(seconds) // 1000)
        if self.profile.open_loop is not None:
            rates = [self.profile.load_at(second).rate or 0.0 for second in seconds[::step]]
        else:
            cycle = (self.model.think_seconds or 0.0) + self.model.mean_seconds
            rates = [self.profile.scheduled_users(second) / cycle for second in seconds[::step]]
        return max(1.0, sum(rates) * step / MOST_REQUESTS)

    def _serve(self, arrival: float) -> float:
        """Return when a request is answered that arrives at this time, not before the last one."""
        start = arrival
        if self.workers is not None and len(self._free) >= self.workers:
            start = max(arrival, heapq.heappop(self._free))
        end = start + self._random.choice(self.model.service_seconds)
        if self.workers is not None:
            heapq.heappush(self._free, end)
        return end + self.model.overhead_seconds

    def _open(self) -> Iterator[tuple[float, float]]:
        """Yield when each request is due and answered, in an open workload."""
        is_random = self.profile.open_loop is not None and self.profile.open_loop.poisson
        speed, time = self._speed, 0.0
        while time < self.seconds / speed:
            rate = self.profile.load_at(time * speed).rate or 0.0
            if not rate:
                time += 1.0
                continue
            yield time, self._serve(time)
            time += self._random.expovariate(rate) if is_random else 1 / rate

    def _closed(self, think_seconds: float) -> Iterator[tuple[float, float]]:
        """Yield when each request is sent and answered, in a closed workload."""
        speed = self._speed
        users = self._users_by_second(speed)
        shortest, longest = self.profile.think_time_seconds
        # Users of a locustfile have think times of their own, of which only the mean is known.
        spread = (
            (longest - shortest) / 2
            if math.isclose(think_seconds, (shortest + longest) / 2)
            else 0.0
        )
        coming = list(_starts(users))
        heapq.heapify(coming)
        while coming:
            time, user = heapq.heappop(coming)
            if self.connections is not None and user >= self.connections:
                yield time, math.inf
                continue
            done = self._serve(time)
            yield time, done
            pause = self._random.uniform(think_seconds - spread, think_seconds + spread)
            following = _active_from(user, done + pause, users)
            if following is not None:
                heapq.heappush(coming, (following, user))

    def _users_by_second(self, speed: float) -> list[int]:
        seconds = range(math.ceil(self.seconds / speed))
        return [
            math.ceil(self.profile.scheduled_users(min(self.seconds, (second + 1) * speed) - 1e-6))
            for second in seconds
        ]


def _starts(users: list[int]) -> Iterator[tuple[float, int]]:
    """Yield when each user starts: Locust starts the users of a second together, in a burst."""
    most = 0
    for second, running in enumerate(users):
        yield from ((float(second), user) for user in range(most, running))
        most = max(most, running)


def _active_from(user: int, time: float, users: list[int]) -> float | None:
    """Return when a user that has thought until this time goes on; None once the load is over."""
    second = int(time)
    if second < len(users) and users[second] > user:
        return time
    later = range(second + 1, len(users))
    return next((float(number) for number in later if users[number] > user), None)
