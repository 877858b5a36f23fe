"""Locust processes for benchmarks: against the fast server, with what they used of the CPU and the last page of the exporter.

Where there is a second core, Locust has the first one to itself: server, scraper and benchmark share the others.
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
    """One Locust process that ran to its end."""

    requests: int
    cpu_seconds: float
    """Of the whole process, its start of about a second included."""
    pages: list[Samples]
    """The exporter's, a second apart; empty without one."""

    def value(self, name: str, page: int = -1) -> float:
        """The sum of the samples of that name on a page."""
        return sum(value for (sample, _), value in self.pages[page].items() if sample == name)

    def buckets(self, histogram: str, since: int | None = None) -> dict[float, float]:
        """A histogram without other labels by its bounds: what it gained since a page, or all."""
        gained: dict[float, float] = {}
        for sign, page in (
            (1, self.pages[-1]),
            *([] if since is None else [(-1, self.pages[since])]),
        ):
            for (sample, labels), value in page.items():
                if sample == f"{histogram}_bucket":
                    bound = float(dict(labels)["le"])
                    gained[bound] = gained.get(bound, 0.0) + sign * value
        return gained


def pin(pid: int, *, beside_locust: bool = False) -> None:
    """Keep a process (0: this one), and what it starts from now on, away from Locust's core, or on it."""
    if len(_CORES) > 1:
        os.sched_setaffinity(pid, _CORES[:1] if beside_locust else _CORES[1:])


@contextmanager
def fast_target(*arguments: str) -> Iterator[str]:
    """Base URL of the fast server while the block lasts."""
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
        cpu, pages = _watch(process, f"http://{LOOPBACK}:{port}/metrics")
        rows = json.loads(Path(folder, "stats.json").read_text())
    return LoadRun(sum(row["num_requests"] for row in rows), cpu, [_parsed(page) for page in pages])


def _parsed(page: str) -> Samples:
    families = text_string_to_metric_families(page)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def _watch(process: psutil.Popen, url: str) -> tuple[float, list[str]]:
    """CPU seconds as of a process's end, and its pages; scraped every second, as Prometheus does."""
    cpu, pages, next_scrape = 0.0, [], 0.0
    # Reaped only below, so that its times can still be read when it has ended.
    while process.status() != psutil.STATUS_ZOMBIE:
        cpu = sum(process.cpu_times()[:2])
        if time.monotonic() >= next_scrape:
            next_scrape = time.monotonic() + 1.0
            pages += [page for page in [_scraped(url)] if page]
        time.sleep(0.05)
    process.wait()
    return cpu, pages


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
    """A profile file."""
    file = folder / "bench.yaml"
    file.write_text(f"name: bench\nuser: BasicUser\n{text}\n")
    return file
