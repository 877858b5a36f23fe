"""The result of a search for the capacity, as it stands in run.json. Rates are a second."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- pydantic reads the annotations
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """A trial: a constant rate, played until it was clear whether the SLO held."""

    rate: float
    """Arrivals a second."""
    phase: str
    """ramp, bisection, confirmation or above."""
    outcome: str
    """held, broken, or limited where the load generator reached its own limit."""
    reason: str
    """The evidence for the outcome, as a phrase."""
    start_seconds: float
    """Since the load began."""
    end_seconds: float
    warmup_seconds: float
    """Beginning of the trial that is left out of its figures."""
    is_certain: bool = False
    """Whether more time would not have changed the outcome."""
    throughput: float | None = None
    """Answers a second."""
    goodput: float | None = None
    """Answers a second that succeeded within every latency objective."""
    latency_seconds: Mapping[str, float | None] = field(default_factory=dict)
    """Since the due time, waiting requests included."""
    standard_error_seconds: Mapping[str, float | None] = field(default_factory=dict)
    error_ratio: float | None = None
    in_flight_max: float | None = None

    @property
    def has_held(self) -> bool:
        """Whether the SLO held."""
        return self.outcome == "held"


@dataclass(frozen=True, slots=True)
class Overload:
    """A rate above the capacity, and the minute after it."""

    factor: float
    """Of the capacity."""
    rate: float
    seconds: float
    throughput: float | None
    goodput: float | None
    latency_seconds: Mapping[str, float | None]
    accepted_p99_seconds: float | None
    """Of requests that the API did not answer with 5xx, as the API measured it; coarse."""
    errors: Mapping[str, float]
    """Failed requests by class of error."""
    dropped: float
    """Arrivals for which the load generator had no free user for five seconds."""
    shed: float | None
    """Requests that the API refused by load shedding; None where it does not count them."""
    in_flight_max: float | None
    queue_is_bounded: bool | None
    """Whether the requests in flight stopped growing before the end; None: not visible."""
    after_rate: float
    """Arrivals a second in the minute after."""
    recovery_seconds: float | None
    """Time after the overload until the SLO held again; None: it did not within the minute."""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The resource that limits the rate."""

    resource: str
    """cpu, workers, connections, backlog, downstream, generator, or unknown."""
    evidence: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """The highest rate that the API sustains within its SLO."""

    rate: float | None
    """Arrivals a second; None where the SLO broke at the lowest rate."""
    is_lower_bound: bool
    """Whether the capacity may be higher: the search or the load generator ended first."""
    failed_rate: float | None
    """Lowest rate above it that did not hold; None without one."""
    is_confirmed: bool
    """Whether most repeats at the rate held."""
    ending: str
    """found, unsustainable, highest_rate, unsettled, out_of_time or interrupted."""
    spacing: str
    """even or poisson."""
    trials: tuple[TrialFigures, ...]
    bottleneck: Bottleneck | None = None
    expected_rate: float | None = None
    """The load that the user expects (--expect)."""
    headroom_ratio: float | None = None
    """Capacity / expected load - 1."""
    overload: tuple[Overload, ...] = ()
