"""A simulated server with a pool of workers, in virtual time: no clock, no process."""

import heapq
import random

from firedrill.capacity.search import Outcome
from firedrill.capacity.trial import Counts, judge
from firedrill.profile import Slo

SLO = Slo(latency_seconds={"p99": 0.25}, error_ratio=0.01)


class SimulatedServer:
    """Serves requests in order by `workers`, each for `service()` seconds."""

    def __init__(self, workers, service, *, seed=1, error_ratio=0.0, slo=SLO):
        self.random = random.Random(seed)
        self.workers = workers
        self.service = service
        self.error_ratio = error_ratio
        self.slo = slo
        self.probes = []
        self.seconds = 0.0

    def counts(self, rate, seconds, *, poisson=False):
        """Return the counts of each second of a trial."""
        free = [0.0] * self.workers
        arrivals, due = [], 0.0
        while True:
            due += self.random.expovariate(rate) if poisson else 1 / rate
            if due > seconds:
                break
            begun = max(due, free[0])
            end = begun + self.service(self.random)
            heapq.heapreplace(free, end)
            arrivals.append((due, end, self.random.random() < self.error_ratio))
        return [self._counts_at(float(at), arrivals) for at in range(seconds + 1)]

    def _counts_at(self, now, arrivals):
        limits = self.slo.latency_seconds
        answered = [(due, end, bad) for due, end, bad in arrivals if end <= now]
        waiting = [due for due, end, _ in arrivals if due <= now < end]
        return Counts(
            seconds=now,
            answered=len(answered),
            response_seconds=sum(end - due for due, end, _ in answered),
            slower={
                name: sum(end - due > limit for due, end, _ in answered)
                for name, limit in limits.items()
            },
            failed=sum(bad for *_, bad in answered),
            dropped=0,
            waiting=len(waiting),
            overdue={
                name: sum(now - due > limit for due in waiting) for name, limit in limits.items()
            },
        )

    def play(self, probe, most_seconds=15, *, poisson=False):
        """Play a trial; return its outcome."""
        self.probes.append(probe)
        samples = self.counts(probe.rate, most_seconds, poisson=poisson)
        for end in range(2, len(samples) + 1):
            judgement = judge(samples[:end], self.slo, probe.rate)
            if judgement and judgement.is_certain:
                break
        self.seconds += samples[end - 1].seconds
        return Outcome.HELD if judgement.holds else Outcome.BROKEN
