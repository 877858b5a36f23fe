"""Settings of the whole suite: distribution of tests to workers, missing programs, signals."""

import os
import signal
import zlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

from tests import required_programs

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")  # A machine that stalls proves nothing wrong.

LONGEST_FIRST = (
    "tests/integration/alerts/test_dashboard_queries.py",
    "tests/integration/alerts/test_backtest.py",
    "tests/integration/alerts/test_backtest_live.py",
    "tests/browser/",
    "tests/compose/standing/",
    "tests/compose/test_composed_runs.py",
    "tests/compose/",
    "tests/integration/runs/test_recorded_runs.py",
    "tests/integration/runs/test_drill_faults.py",
    "tests/integration/alerts/test_replay_live.py",
    "tests/integration/alerts/test_backtest_input.py",
    "tests/integration/runs/test_attached_record.py",
    "tests/integration/runs/test_smoke.py",
    "tests/integration/alerts/test_receiver.py",
    "tests/rules/test_rules.py::test_rules_do_what_their_cases_say",
)
"""Paths whose tests start first. They are grouped by path because xdist ignores its own groups with
pytest 9.
"""

STACKS = "tests/compose/test_composed_runs.py"
"""Tests that each start a composed stack of their own, which is nine containers."""

ALONE = {"tests/rules/test_rules.py::test_rules_do_what_their_cases_say"}
"""Tests that share nothing, so that each may go to another worker. The tests of every other path
share a stack or a recorded drill.
"""


def path_of(nodeid):
    """Return the path of LONGEST_FIRST that a test is in; None for most tests."""
    return next((path for path in LONGEST_FIRST if nodeid.startswith(path)), None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the longest tests first, so that no worker waits for them at the end."""
    rank = {path: number for number, path in enumerate((*LONGEST_FIRST, None))}
    items.sort(key=lambda item: rank[path_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give tests that share a stack or a drill to one worker."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 -- only where xdist runs

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = path_of(nodeid)
            if path == STACKS:
                # Two groups: more than two stacks at a time slow every other test.
                return f"{path} {zlib.crc32(nodeid.encode()) % 2}"
            return nodeid if path in ALONE or path is None else path

    return Together(config, log)


def pytest_configure(config):
    """Stop ignoring signals, as background jobs of a shell and commands under nohup do.

    The processes of the tests would inherit it.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            # A handler is not inherited, and the suite itself still ignores the signal.
            signal.signal(number, lambda *_: None)


def _missing(config):
    """Count the skipped tests by what was missing."""
    skipped = config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])
    texts = [report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)]
    return Counter(
        text.partition(required_programs.MARK)[2]
        for text in texts
        if required_programs.MARK in text
    )


def pytest_sessionfinish(session):
    """Fail the whole suite in CI where something was missing; the tests themselves are skipped."""
    if (
        os.environ.get("CI") == "true"
        and not hasattr(session.config, "workerinput")
        and _missing(session.config)
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    """Say once what was missing, and how many tests were skipped for it."""
    for reason, count in _missing(config).items():
        terminalreporter.write_line(f"MISSING {reason}: {count} tests skipped", red=True)
