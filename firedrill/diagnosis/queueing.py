"""Formulas of queueing theory for a station with several servers.

Rates are per second, times in seconds.
"""

from __future__ import annotations

import math


def offered_erlangs(rate: float, service_seconds: float) -> float:
    """Return the mean number of busy servers: the utilisation law, or Little's law (1961)."""
    return rate * service_seconds


def wait_probability(servers: int, erlangs: float) -> float:
    """Return the share of arrivals that wait in M/M/c: Erlang's C formula (Erlang 1917).

    It is computed from the recursion of Erlang's B formula, B(c) = aB(c-1) / (c + aB(c-1)), which
    does not overflow. It is 1 where the servers cannot carry the load.
    """
    if erlangs >= servers:
        return 1.0
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = erlangs * blocked / (number + erlangs * blocked)
    return servers * blocked / (servers - erlangs * (1 - blocked))


def wait_quantile(q: float, servers: int, rate: float, service_seconds: float) -> float:
    """Return the q-quantile of the wait in M/M/c, in order of arrival.

    P(wait > t) = C exp(-(c/s - rate) t) (Kleinrock, Queueing Systems I, 1975, section 3.5).
    Infinite where the servers cannot carry the load.
    """
    erlangs = offered_erlangs(rate, service_seconds)
    if erlangs >= servers:
        return math.inf
    waiting = wait_probability(servers, erlangs)
    if waiting <= 1 - q:
        return 0.0
    return math.log(waiting / (1 - q)) / (servers / service_seconds - rate)


def servers_for_wait(q: float, wait_seconds: float, rate: float, service_seconds: float) -> int:
    """Return the fewest servers that keep the q-quantile of the wait within so many seconds."""
    servers = math.floor(offered_erlangs(rate, service_seconds)) + 1
    while wait_quantile(q, servers, rate, service_seconds) > wait_seconds:
        servers += 1
    return servers


def servers_at_least(rate: float, service_seconds: float) -> int:
    """Return the fewest servers that can carry the load at all."""
    return max(1, math.ceil(offered_erlangs(rate, service_seconds)))
