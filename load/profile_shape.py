"""The Locust load shape that asks firedrill/profile.py for the users of each moment.

Without a profile there is no shape, and Locust's own options rule. A shape in a locustfile before
this one wins.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
from typing import Any, NoReturn

import flask
import gevent
import locust
from locust_exporter import load_events
from locust_exporter.profile_info import ProfileInfo, announce

from .open_loop import locust_hooks
from .played_profile import PROFILE
from .profile_facts import profile_info
from .profile_option import FLAG, HELP, VARIABLE, or_exit
from .same_origin import is_foreign

SECOND_INTERRUPT_SECONDS = 5.0
"""Time that the users and the workers have to stop before the page ends too."""

ARRIVALS = or_exit(lambda: locust_hooks.install(PROFILE) if PROFILE and PROFILE.open_loop else None)

INFO = profile_info(PROFILE) if PROFILE else ProfileInfo()
if ARRIVALS:
    ARRIVALS.is_excluded = INFO.is_excluded
if PROFILE:
    announce(INFO)


class ProfileShape(locust.LoadTestShape):
    """Asks Locust for the users that the profile has at each moment."""

    abstract = PROFILE is None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        INFO.arrivals = ARRIVALS

    def tick(self) -> tuple[int, float] | None:
        """Return users and spawn rate for this moment; None when the profile is over."""
        if PROFILE is None:
            return None
        seconds = self.get_run_time()  # type: ignore[no-untyped-call]
        INFO.step = PROFILE.step_at(seconds)
        return PROFILE.target_at(seconds)


def add_option(parser: Any, **_: Any) -> None:
    """Make Locust accept the option that was read above.

    Locust's web page does not show it, because the shape is fixed when Locust starts.
    """
    # Two -f files may both bring this module.
    with contextlib.suppress(argparse.ArgumentError):
        parser.add_argument(
            FLAG, env_var=VARIABLE, default=None, help=HELP, include_in_web_ui=False
        )


locust.events.init_command_line_parser.add_listener(add_option)  # type: ignore[no-untyped-call]


def start_clock_after_set_up(environment: Any, **_: Any) -> None:
    """Let a load shape's clock start when the listeners of test_start have returned."""
    load_events.follow(environment)


load_events.follow_workers()
locust.events.init.add_listener(start_clock_after_set_up)  # type: ignore[no-untyped-call]


def end_by_one_interrupt(environment: Any, **_: Any) -> None:
    """Let one SIGINT end a Locust with a web page, as it ends one without.

    Locust takes the first as the end of a load shape that started by itself, and keeps its page.
    """
    options = environment.parsed_options
    if environment.web_ui and getattr(options, "autostart", False):
        signal.signal(signal.SIGINT, _interrupt_twice)


def _interrupt_twice(*_: Any) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gevent.spawn_later(SECOND_INTERRUPT_SECONDS, os.kill, os.getpid(), signal.SIGINT)
    raise KeyboardInterrupt


locust.events.init.add_listener(end_by_one_interrupt)  # type: ignore[no-untyped-call]


def refuse_foreign_pages(environment: Any, **_: Any) -> None:
    """Refuse requests of foreign web pages, which could aim the load at whom they like."""
    if environment.web_ui:
        environment.web_ui.app.before_request(_refuse_foreign_page)


def _refuse_foreign_page() -> tuple[str, int] | None:
    headers = flask.request.headers
    return (
        ("requests from other web pages are refused\n", 403)
        if is_foreign(headers.get("Origin"), headers.get("Host"))
        else None
    )


locust.events.init.add_listener(refuse_foreign_pages)  # type: ignore[no-untyped-call]
