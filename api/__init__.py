"""The worked example: a small Flask API on firedrill.telemetry.

Run it with `python -m api`, or with `FLASK_APP=api:app flask run`.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


@cache
def _app() -> Flask:
    # Importing a package must not start a metrics process.
    from api.factory import create_app  # noqa: PLC0415
    from firedrill.errors import FiredrillError  # noqa: PLC0415

    try:
        return create_app()
    except FiredrillError as error:
        sys.stderr.write(f"api: {error}\n")
        raise SystemExit(error.exit_code) from error


def __getattr__(name: str) -> Flask:
    """Return `api.app`, built once when it is first asked for."""
    if name == "app":
        return _app()
    raise AttributeError(name)
