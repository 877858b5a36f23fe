"""Comparison of a run with an earlier one: signals that became worse than tolerated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from firedrill import units
from firedrill.errors import BadInput
from firedrill.record.limits import ERROR_FLOOR_RATIO, LATENCY_FLOOR_SECONDS
from firedrill.record.outcome import Reason, Status
from firedrill.record.played_load import played_load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.profile import Profile
    from firedrill.record.figures import ClientSide, Figures
    from firedrill.record.run_document import Generator, RunDocument
    from firedrill.record.run_folder import Run

LENGTH_RATIO = 0.1
"""Two runs of the same load may differ in length by this share, as a shortened run may not."""

COMPARED_LATENCIES = frozenset({"p50", "p90", "p95", "p99", "mean"})
"""A minute has too few requests for the others to be the same twice."""

CERTAIN_ERRORS = 2.5
"""Standard errors of a difference that chance explains: once in 160 comparisons it is larger."""

BURST_RATIO = {"p90": 0.05, "p95": 0.05, "p99": 0.15}
"""Rise of a high percentile by one short stall of a machine, which slows many requests at once."""

BUCKET_RATIO = 0.06
"""Width of a latency bucket: two percentiles that differ by less may be of equal latencies."""

HUNG_FAIL_SCHEMA = 2
"""Since this version of run.json a hung request counts as failed."""

COMPARED = frozenset({"schema", "profile", "verdict", "window", "generator"})
"""Parts of run.json, beside the client's figures, that a comparison reads."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run's client side, and the tolerance."""

    id: str
    latency_seconds: Mapping[str, float]
    """p50, p90, p95, p99 and mean with the waiting included."""
    standard_error_seconds: Mapping[str, float | None]
    error_ratio: float | None
    rate: float | None
    tolerance: float
    """Share, from 0 to 1, by which each of them may be worse."""
    has_rough_latency: bool = False
    """Whether it has percentiles of wide buckets, which are not compared."""
    counts_errors_otherwise: bool = False
    """Whether its share of errors has another meaning, and is not compared."""

    @classmethod
    def of(
        cls,
        run: Run,
        profile: Profile,
        tolerance: float,
        seconds: float | None = None,
        generator: Generator | None = None,
    ) -> Self:
        """Read the figures of a run, as a baseline for another one.

        Args:
            run: The earlier run.
            profile: The profile of the run that is to be compared with it.
            tolerance: Share, from 0 to 1, by which a signal may become worse.
            seconds: The planned length of the new run; None: until it is stopped.
            generator: The load generator of the new run.

        Raises:
            BadInput: the run has no figures, is not valid, or played another load.
        """
        document = run.read()
        _check_comparable(run.id, document, profile, seconds, generator)
        client = document.figures.client if document.figures else None
        if client is None:
            raise BadInput(f"--baseline {run.id}: nothing was measured in this run")
        latency = client.latency_including_waiting_seconds
        # Older versions recorded none, and interpolated percentiles in wide buckets.
        is_exact = bool(client.standard_error_seconds)
        is_older = (document.version or HUNG_FAIL_SCHEMA) < HUNG_FAIL_SCHEMA
        return cls(
            id=run.id,
            latency_seconds={
                name: value
                for name, value in latency.items()
                if value is not None and name in COMPARED_LATENCIES and is_exact
            },
            has_rough_latency=not is_exact,
            standard_error_seconds=client.standard_error_seconds,
            error_ratio=None if is_older else client.error_ratio,
            rate=client.rate,
            tolerance=tolerance,
            counts_errors_otherwise=is_older,
        )

    def regressions(self, figures: Figures) -> Iterator[Reason]:
        """Yield a reason for each signal that became worse."""
        yield from self._slower(figures.client)
        yield from self._more_errors(figures.client)
        yield from self._lower_rate(figures.client)

    def _slower(self, client: ClientSide) -> Iterator[Reason]:
        for name, before in self.latency_seconds.items():
            now = client.latency_including_waiting_seconds.get(name)
            if now is None or now - before <= self._accepted_rise(name, before, client):
                continue
            is_lower_bound = name in client.at_least
            after = units.at_least(units.latency(now)) if is_lower_bound else units.latency(now)
            signal = f"client {name} (waiting included)"
            yield self._reason(f"regression_{name}", signal, units.latency(before), after)

    def _accepted_rise(self, name: str, before: float, client: ClientSide) -> float:
        """Return the rise in seconds that the tolerance, the buckets and chance explain."""
        errors = (self.standard_error_seconds.get(name), client.standard_error_seconds.get(name))
        chance = CERTAIN_ERRORS * math.hypot(*(error or 0.0 for error in errors))
        buckets = 0.0 if name == "mean" else BUCKET_RATIO
        ratio = self.tolerance + buckets + BURST_RATIO.get(name, 0.0)
        return max(LATENCY_FLOOR_SECONDS, ratio * before + chance)

    def _more_errors(self, client: ClientSide) -> Iterator[Reason]:
        before, now = self.error_ratio, client.error_ratio
        if before is None or now is None:
            return
        if now > before * (1 + self.tolerance) and now - before > ERROR_FLOOR_RATIO:
            shares = units.percent(before), units.percent(now)
            yield self._reason("regression_errors", "the error share", *shares)

    def _lower_rate(self, client: ClientSide) -> Iterator[Reason]:
        before, now = self.rate, client.rate
        if before is not None and now is not None and now < before * (1 - self.tolerance):
            rates = units.rate(before), units.rate(now)
            yield self._reason("regression_rate", "the achieved rate", *rates)

    def _reason(self, code: str, signal: str, before: str, now: str) -> Reason:
        limit = f"tolerance: {units.percent(self.tolerance)}"
        return Reason(code, f"{signal} went from {before} to {now} since {self.id} ({limit})")


def _check_comparable(
    run_id: str,
    document: RunDocument,
    profile: Profile,
    seconds: float | None,
    generator: Generator | None,
) -> None:
    """Raise BadInput for a run whose load, length or quality allows no comparison."""
    option = f"--baseline {run_id}"
    damaged = next((path for path in document.damaged if _is_compared(path)), None)
    if damaged:
        raise BadInput(f"{option}: its run.json is damaged ({damaged}); choose another run")
    if document.figures is None:
        raise BadInput(f"{option}: nothing was measured in this run")
    if document.status in (Status.INVALID, Status.INTERRUPTED):
        expected = "expected a valid run that was played to its end"
        raise BadInput(f"{option}: the run is {document.status}; {expected}")
    if played_load(document.profile) != played_load(profile):
        name = document.profile.name
        raise BadInput(f"{option}: played another load ({name}); expected that of {profile.name}")
    before = document.generator  # Older runs do not record it.
    if before and generator and not before.makes_the_load_of(generator):
        raise BadInput(f"{option}: its load was made by {before}; expected {generator}")
    length = document.window.seconds if document.window else None
    if seconds is None or length is None:
        return
    if abs(length - seconds) > seconds * LENGTH_RATIO + 1:
        expected = f"expected the {units.seconds(seconds)} of this run"
        raise BadInput(f"{option}: lasted {units.seconds(length)}; {expected}")


def _is_compared(path: str) -> bool:
    """Return whether a damaged value would change the comparison."""
    if path.startswith("figures"):
        return path == "figures" or path.startswith("figures.client")
    return path.partition(".")[0] in COMPARED
