"""A Prometheus that gets each recorded sample at the time at which the run's own could read it."""

from __future__ import annotations

from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from firedrill.prometheus import remote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from firedrill.alerts.replay.alert_state import Labels
    from firedrill.alerts.replay.ambiguity import SourceKey, SourceTiming
    from firedrill.prometheus.client import Prometheus


class SampleFeed:
    """Hands samples to a Prometheus: most at once, those in progress at a query time later."""

    def __init__(
        self,
        prom: Prometheus,
        series: Sequence[Any],
        readable: Mapping[int, frozenset[SourceKey]],
        timing_of: Callable[[Mapping[str, str]], SourceTiming | None],
    ) -> None:
        """Write all samples that no query comes before.

        Args:
            prom: An empty Prometheus.
            series: All samples, as prompb TimeSeries; those that are held back are removed.
            readable: By query time, the sources that are readable although in progress.
            timing_of: Returns the timing of a series, by its labels.
        """
        self._prom, self._readable, self._timing_of = prom, readable, timing_of
        self._held_times: dict[SourceTiming, Mapping[int, int]] = {}
        self._batches: dict[tuple[Labels, ...], remote.SampleWriter] = {}
        held = (sample for item in series for sample in self._hold_back(item))
        self._waiting = deque(sorted(held, key=itemgetter(0)))
        remote.write(prom.url, series)

    def advance(self, time_ms: int) -> None:
        """Hand over what was readable at a time."""
        batch = []
        while self._waiting and self._waiting[0][0] <= time_ms:
            batch.append(self._waiting.popleft())
        if batch:
            key = tuple(labels for _, labels, _ in batch)
            if key not in self._batches:
                self._batches[key] = remote.SampleWriter(map(dict, key))
            self._batches[key].write(self._prom.url, (sample for *_, sample in batch))

    def _hold_back(self, series: Any) -> list[tuple[int, Labels, tuple[int, float]]]:
        """Remove from a series the samples that were in progress at a query time.

        Returns:
            When each became readable, its labels, and its time and value.
        """
        labels = tuple((label.name, label.value) for label in series.labels)
        timing = self._timing_of(dict(labels))
        held_times = self._held_times_of(timing) if timing else {}
        indices = [
            index for index, sample in enumerate(series.samples) if sample.timestamp in held_times
        ]
        held = [
            (held_times[sample.timestamp], labels, (sample.timestamp, sample.value))
            for sample in map(series.samples.__getitem__, indices)
        ]
        for index in reversed(indices):
            del series.samples[index]
        return held

    def _held_times_of(self, timing: SourceTiming) -> Mapping[int, int]:
        """Return when each sample that was in progress at a query became readable, by its time."""
        if timing not in self._held_times:
            self._held_times[timing] = {
                item.begun_ms: item.readable_by_ms
                for time_ms, readable in self._readable.items()
                for item in timing.in_progress(time_ms)
                if item.key not in readable
            }
        return self._held_times[timing]
