"""The requests that the bundled users send to a foreign API: `--path "POST /orders {...}"`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "FIREDRILL_PATHS"
"""Environment variable that tells the load generator the requests, as a JSON list of texts."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FRONT_PAGE = "/"
"""What is requested of a foreign API unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class TargetPath:
    """One request: method, path with its query, and a JSON body."""

    method: str
    path: str
    body: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `[METHOD] /path [JSON]`.

        Raises:
            BadInput: the method is unknown, the path does not begin with `/`, or the body is not
                JSON.
        """
        first, _, rest = text.strip().partition(" ")
        method, words = ("GET", text) if first.startswith("/") else (first.upper(), rest)
        path, _, body = words.strip().partition(" ")
        expected = 'expected /path, or "METHOD /path {json}"'
        if method not in METHODS:
            raise BadInput(f"--path {text!r}: {first!r} is no method; {expected}")
        if not path.startswith("/") or not path.isprintable():
            raise BadInput(f"--path {text!r}: {path!r} does not begin with /; {expected}")
        return cls(method, path, _json_body(text, body.strip()))

    def __str__(self) -> str:
        body = "" if self.body is None else f" {self.body}"
        return f"{self.method} {self.path}{body}"


def _json_body(text: str, body: str) -> str | None:
    if not body:
        return None
    try:
        json.loads(body)
    except ValueError as error:
        raise BadInput(f"--path {text!r}: the body is no JSON ({error})") from error
    return body


def as_variable(paths: Sequence[TargetPath]) -> dict[str, str]:
    """Return the environment variable that tells the load generator these requests."""
    return {VARIABLE: json.dumps([str(path) for path in paths])} if paths else {}


def from_variable(text: str | None) -> list[TargetPath]:
    """Return the requests of the variable's value; none if it is unset.

    Raises:
        BadInput: a request cannot be parsed.
    """
    return [TargetPath.parse(path) for path in json.loads(text or "[]")]
