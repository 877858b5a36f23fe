"""The option that chooses a load profile, read before Locust reads its command line."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TypeVar

from firedrill.errors import BadInput
from firedrill.profile import Profile, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FLAG = "--load-profile"
"""The option; Locust's own --profile has another meaning."""
VARIABLE = "LOAD_PROFILE"
HELP = "Play a load profile: the name of a bundled one, or a YAML file."

Result = TypeVar("Result")


def chosen_profile(arguments: Sequence[str], environ: Mapping[str, str]) -> Profile | None:
    """Return the profile named on the command line or in the environment, or None.

    Raises BadInput as `load_profile` does.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(FLAG, default=environ.get(VARIABLE))
    name = parser.parse_known_args(arguments)[0].load_profile
    return load_profile(name) if name else None


def or_exit(action: Callable[[], Result]) -> Result:
    """Return the action's result; on bad input, print one line and exit with code 2.

    Locust would show a traceback for what a locustfile raises.
    """
    try:
        return action()
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
