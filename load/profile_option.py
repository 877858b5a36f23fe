"""The option that chooses a load profile. Pure: what a locustfile needs before Locust has read its command line."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TypeVar

from firedrill.errors import BadInput
from firedrill.profile import Profile, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FLAG = "--load-profile"
"""Locust has an option --profile of its own, with another meaning."""
VARIABLE = "LOAD_PROFILE"
HELP = "Load profile: the name of a bundled one, or a YAML file."

Result = TypeVar("Result")


def chosen_profile(arguments: Sequence[str], environ: Mapping[str, str]) -> Profile | None:
    """The profile named on the command line or in the environment, None if there is none. Raises BadInput as `load_profile` does."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(FLAG, default=environ.get(VARIABLE))
    name = parser.parse_known_args(arguments)[0].load_profile
    return load_profile(name) if name else None


def or_exit(action: Callable[[], Result]) -> Result:
    """The action's result. Locust shows a traceback for what a locustfile raises; bad input is one line and exit code 2."""
    try:
        return action()
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
