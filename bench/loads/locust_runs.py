"""Runs of Locust for benchmarks, against the fast server, with CPU time and scrapes.

Where there is a second core, Locust has the first one to itself: server, scraper and benchmark
share the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import requests
from prometheus_client.parser import text_string_to_metric_families

from firedrill.contract import LOOPBACK
from firedrill.places import ROOT
from firedrill.processes.ports import any_free

if TYPE_CHECKING:
    from collections.abc import Iterator

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []  # Linux has it

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True)
class LoadRun:
    """A Locust process that ran to its end."""

    requests: int
    cpu_seconds: float
    """CPU time of the whole process, with about a second for its start."""
    scrapes: list[Samples]
    """Scrapes of the exporter, a second apart; empty without one."""

    def value(self, name: str, scrape: int = -1) -> float:
        """Return the sum of a scrape's samples of that name."""
        return sum(value for (sample, _), value in self.scrapes[scrape].items() if sample == name)

    def buckets(self, histogram: str, since: int | None = None) -> dict[float, float]:
        """Return a histogram without other labels by its bounds: its gain since a scrape or all."""
        gained: dict[float, float] = {}
        for sign, scrape in (
            (1, self.scrapes[-1]),
            *([] if since is None else [(-1, self.scrapes[since])]),
        ):
            for (sample, labels), value in scrape.items():
                if sample == f"{histogram}_bucket":
                    bound = float(dict(labels)["le"])
                    gained[bound] = gained.get(bound, 0.0) + sign * value
        return gained


def pin(pid: int, *, beside_locust: bool = False) -> None:
    """Keep a process (0: this one) and its children away from Locust's core, or on it."""
    if len(_CORES) > 1:
        os.sched_setaffinity(pid, _CORES[:1] if beside_locust else _CORES[1:])


@contextmanager
def fast_target(*arguments: str) -> Iterator[str]:
    """Run the fast server while the block lasts; yield its base URL."""
    pin(0)
    command = [sys.executable, "-m", "bench.loads.fast_server", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin
        assert process.stdout
        yield f"http://{LOOPBACK}:{int(process.stdout.readline())}"
        process.stdin.close()


def run(files: str, url: str, *arguments: object, **environment: str) -> LoadRun:
    """Run Locust headless until it ends."""
    port = any_free()
    settings = {
        "FIREDRILL_EXPORTER_PORT": str(port),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'exporters'}",
        **environment,
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            files,
            "--headless",
            "--only-summary",
            "-H",
            url,
            "--stop-timeout",
            "1",
        ]
        process = psutil.Popen(
            [*command, "--json-file", f"{folder}/stats", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        pin(process.pid, beside_locust=True)
        cpu, scrapes = _watch(process, f"http://{LOOPBACK}:{port}/metrics")
        rows = json.loads(Path(folder, "stats.json").read_text())
    return LoadRun(
        sum(row["num_requests"] for row in rows), cpu, [_parsed(scrape) for scrape in scrapes]
    )


def _parsed(scrape: str) -> Samples:
    families = text_string_to_metric_families(scrape)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def _watch(process: psutil.Popen, url: str) -> tuple[float, list[str]]:
    """Return a process's CPU seconds and its scrapes, one a second as from Prometheus."""
    cpu, scrapes, next_scrape = 0.0, [], 0.0
    # Reaped only below, so that its times can still be read when it has ended.
    while process.status() != psutil.STATUS_ZOMBIE:
        cpu = sum(process.cpu_times()[:2])
        if time.monotonic() >= next_scrape:
            next_scrape = time.monotonic() + 1.0
            scrapes += [scrape for scrape in [_scraped(url)] if scrape]
        time.sleep(0.05)
    process.wait()
    return cpu, scrapes


def _scraped(url: str) -> str:
    try:
        answer = requests.get(
            url,
            timeout=2,
            headers={"X-Prometheus-Scrape-Timeout-Seconds": "1", "User-Agent": "Prometheus/bench"},
        )
    except requests.RequestException:
        return ""
    return answer.text


def profile(folder: Path, text: str) -> Path:
    """Write a profile file."""
    file = folder / "bench.yaml"
    file.write_text(f"name: bench\nuser: BasicUser\n{text}\n")
    return file
