"""A YAML file that is to be rewritten here and there: comments, order and quotes stay as they are."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver

from firedrill.errors import BadInput


def parse(text: str, what: str) -> dict[str, Any]:
    """The mapping that `text` is.

    Raises BadInput if it is none, with the line where YAML is broken; `what` says what was expected, article included.
    """
    found = _loaded(_yaml(), text, what)
    if not isinstance(found, dict):
        raise BadInput(f"line 1: no mapping; expected {what}")
    return found


@lru_cache(maxsize=64)  # A watcher and a lint come back to the same few files, which takes a tenth of a second each.
def read(text: str, what: str) -> dict[str, Any]:
    """The same to be looked at alone, and never changed: scalars as they are spelled, which is how Prometheus reads labels.

    Null is None, no document is {}.

    Raises BadInput as `parse` does.
    """
    yaml = _yaml()
    yaml.Resolver = _AsSpelled
    found = _loaded(yaml, text, what)
    if not isinstance(found, dict | None):
        raise BadInput(f"line 1: no mapping; expected {what}")
    return found or {}


def _loaded(yaml: YAML, text: str, what: str) -> Any:
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"line {line}: {error.problem}; expected {what}") from error
    except YAMLError as error:
        # A character that no YAML may hold; such an error knows its position alone.
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise BadInput(f"line {line}: {str(error).splitlines()[0]}; expected {what}") from error


def printed(document: dict[str, Any]) -> str:
    """The document as text again."""
    out = io.StringIO()
    _yaml().dump(document, out)
    return out.getvalue()


class _AsSpelled(VersionedResolver):
    """Takes no scalar for a number, a truth or a date."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """The tag of a node; of scalars only null and the merge key are kept."""
        tag = super().resolve(kind, value, implicit)
        return tag if kind is not ScalarNode or str(tag).endswith((":null", ":merge")) else self.DEFAULT_SCALAR_TAG


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 10**6  # expressions are not wrapped
    yaml.preserve_quotes = True
    return yaml
