"""The behaviour above the capacity: what still works, and how soon all of it works again."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.capacity.steady_state import significant_slope
from firedrill.capacity.trial import GROWTH_RATIO, goodput, throughput
from firedrill.capacity.trial_player import WAITING
from firedrill.contract import Client, Server
from firedrill.objectives import accepted_ratio
from firedrill.record.capacity import Overload
from firedrill.record.figures import StepFigures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.capacity.trial import Counts
    from firedrill.capacity.trial_player import TrialPlayer
    from firedrill.profile import Slo

FACTORS = (1.5, 2.0)
"""Rates of the overload, by the capacity."""

OVERLOAD_SECONDS = 20.0
AFTER_SECONDS = 60.0
AFTER_FACTOR = 0.8
"""Rate of the minute after, by the capacity: what the API sustains with a reserve."""

RECOVERED_SECONDS = 15.0
"""An SLO that has held for so long after an overload holds again."""

WINDOW = 5
"""Seconds that are judged together: a single second has too few requests for a percentile."""


def play_overloads(player: TrialPlayer, capacity: float) -> Iterator[Overload]:
    """Play each overload and the minute after it; raises what `TrialPlayer.play` does."""
    for factor in FACTORS:
        player.state.progress.phase(
            f"overload: {factor:g} times the capacity, {units.rate(factor * capacity)}"
        )
        player.drain()
        yield _play(player, factor, capacity)


def _play(player: TrialPlayer, factor: float, capacity: float) -> Overload:
    rate, after_rate = factor * capacity, AFTER_FACTOR * capacity
    start = player.queries.began + player.rates.set(rate, player.elapsed())
    _wait_until(player, start + OVERLOAD_SECONDS - player.rates.lead_seconds)
    end = player.queries.began + player.rates.set(after_rate, player.elapsed())
    recovery = None
    while time.time() < end + AFTER_SECONDS:
        player.pause()
        after = player.queries.counts(end, time.time())
        recovery = recovery_seconds(after, player.slo)
        if recovery is not None and after[-1].seconds - recovery >= RECOVERED_SECONDS:
            break
    player.rates.set(0.0, player.elapsed())
    overload = _measured(player, (factor, rate, after_rate), (start, end), recovery)
    player.steps += [
        StepFigures(
            index=len(player.steps) + number,
            start_seconds=since - player.queries.began,
            end_seconds=until - player.queries.began,
            users=player.state.request.profile.load_at(0.0).users,
            client=player.queries.client(since, until),
            server=player.queries.server(since, until),
            arrival_rate=arrivals,
        )
        for number, (since, until, arrivals) in enumerate(
            ((start, end, rate), (end, time.time(), after_rate))
        )
    ]
    return overload


def _wait_until(player: TrialPlayer, moment: float) -> None:
    while time.time() < moment:
        player.pause()


def _measured(
    player: TrialPlayer,
    rates: tuple[float, float, float],
    window: tuple[float, float],
    recovery: float | None,
) -> Overload:
    queries, (factor, rate, after_rate), (start, end) = player.queries, rates, window
    client = queries.client(start, end)
    counts = queries.counts(start, end)
    waiting = queries.values(WAITING, start, end)
    dropped = queries.gain(Client.UNSENT, start, end) or 0.0
    return Overload(
        factor=factor,
        rate=rate,
        seconds=end - start,
        throughput=throughput(counts),
        goodput=goodput(counts),
        latency_seconds=client.latency_including_waiting_seconds,
        accepted_p99_seconds=queries.accepted_p99(start, end),
        errors=queries.errors(start, end),
        dropped=dropped,
        shed=queries.gain(Server.REQUESTS_SHED, start, end),
        in_flight_max=max((value for _, value in waiting), default=None),
        queue_is_bounded=queue_is_bounded(waiting, dropped, rate),
        after_rate=after_rate,
        recovery_seconds=recovery,
    )


def queue_is_bounded(
    waiting: Sequence[tuple[float, float]], dropped: float, rate: float
) -> bool | None:
    """Return whether the requests in flight stopped growing in the second half of an overload.

    Args:
        waiting: Time and requests in flight, second by second.
        dropped: Arrivals that the load generator could not even send.
        rate: Arrivals a second.
    """
    half = waiting[len(waiting) // 2 :]
    if not half:
        return None
    slope = significant_slope([time for time, _ in half], [value for _, value in half])
    return not dropped and slope <= GROWTH_RATIO * rate


def recovery_seconds(samples: Sequence[Counts], slo: Slo) -> float | None:
    """Return the time from which on the SLO held until the last scrape; None where it does not."""
    if len(samples) < 2:
        return None
    recovered: float | None = samples[0].seconds
    for at in range(len(samples) - 1):
        window = samples[at : at + WINDOW + 1]
        if _breaks(window, slo):
            last = window[-1] is samples[-1]
            recovered = None if last else samples[at + 1].seconds
    return recovered


def _breaks(window: Sequence[Counts], slo: Slo) -> bool:
    """Return whether a span of scrapes has more slow or failed requests than the SLO accepts.

    One request more is accepted: a second has too few of them for a percentile.
    """
    first, last = window[0], window[-1]
    answered = last.answered - first.answered
    if any(later.dropped > before.dropped for before, later in pairwise(window)):
        return True
    if slo.error_ratio is not None:
        failed = last.failed - first.failed
        if failed > 1 + slo.error_ratio * answered:
            return True
    return any(
        last.slower[name] - first.slower[name] + last.overdue[name]
        > 1 + accepted_ratio(name) * answered
        for name in slo.latency_seconds
    )
