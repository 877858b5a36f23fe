"""Versions of everything that took part in a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from firedrill import __version__
from firedrill.processes import programs

if TYPE_CHECKING:
    from firedrill.prometheus.client import Prometheus

PACKAGES = ("locust", "gevent", "flask", "werkzeug", "waitress", "prometheus-client")


def of_parts(prom: Prometheus) -> dict[str, str]:
    """Return the version of each part; the machine's kernel and cores are parts too."""
    alertmanager = programs.find("alertmanager")
    parts = {
        "firedrill": __version__,
        "python": platform.python_version(),
        "prometheus": prom.version(),
        "alertmanager": programs.version(alertmanager) if alertmanager else "missing",
    }
    return {**parts, **{name: _package(name) for name in PACKAGES}, **of_machine()}


def of_machine() -> dict[str, str]:
    """Return the machine's kernel and cores; containers share them."""
    return {"kernel": platform.release(), "cpu_cores": str(os.cpu_count())}


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
