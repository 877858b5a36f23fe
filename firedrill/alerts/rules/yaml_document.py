"""YAML files read with line numbers, and edited without the loss of comments and quotes."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def load(text: str, expected: str) -> dict[str, Any]:
    """Return the mapping in a document, ready to be changed and dumped; {} without a document.

    Args:
        text: The document.
        expected: What it should be, with its article, for the error.

    Raises:
        BadInput: it is no mapping, or no YAML; the message has the line.
    """
    return _mapping(_load(_yaml(), text, expected), expected)


# A watcher and a check come back to the same few files, and one takes a tenth of a second.
@lru_cache(maxsize=64)
def load_as_spelled(text: str, expected: str) -> dict[str, Any]:
    """Return the mapping in a document with scalars as written, as Prometheus reads labels.

    The result is cached: never change it. Null is None. Of a key that is there twice the first
    counts, and `duplicate_key` returns it. Raises BadInput as `load` does.
    """
    yaml = _yaml()
    yaml.Resolver, yaml.Constructor = _AsSpelled, _AllowingDuplicates
    return _mapping(_load(yaml, text, expected), expected)


def _mapping(document: Any, expected: str) -> dict[str, Any]:
    if not isinstance(document, dict | None):
        raise BadInput(f"line 1: no mapping; expected {expected}")
    return {} if document is None else document


def _load(yaml: YAML, text: str, expected: str) -> Any:
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"line {line}: {error.problem}; expected {expected}") from error
    except YAMLError as error:
        # A character that no YAML may hold: the error has its position and no line.
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        problem = str(error).splitlines()[0]
        raise BadInput(f"line {line}: {problem}; expected {expected}") from error


def duplicate_key(mapping: Any) -> tuple[str, int] | None:
    """Return a key that a mapping of `load_as_spelled` has twice, with the second one's line."""
    duplicate: tuple[str, int] | None = getattr(mapping, "duplicate", None)
    return duplicate


def locate(file: str, error: BadInput) -> tuple[str, str]:
    """Split an error into its place (`file:line`, or the file) and its text."""
    match = re.fullmatch(r"(?:line (\d+): )?(.*)", str(error), re.DOTALL)
    line, text = match.groups() if match else (None, str(error))
    return f"{file}:{line}" if line else file, text


def blank_out(text: str, paths: Iterable[tuple[str | int, ...]]) -> str:
    """Return a document with null at these paths (keys and indices), and all lines kept."""
    root = _yaml().compose(text)
    nodes = [node for path in paths if (node := _node_at(root, path))]
    spans = {
        (node.start_mark.index, node.end_mark.index)
        for node in nodes
        if node.value  # An empty node is null already.
    }
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + "null" + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def _node_at(node: Any, path: Sequence[str | int]) -> Any:
    """Return the node at a path; None where a merge key or an alias brought it."""
    for step in path:
        node = _child(node, step)
        if node is None:
            return None
    return node


def _child(node: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return node.value[step]
    return next((value for key, value in node.value if key.value == step), None)


def dump(document: dict[str, Any]) -> str:
    """Return the text of a document."""
    out = io.StringIO()
    _yaml().dump(document, out)
    return out.getvalue()


class _AsSpelled(VersionedResolver):
    """Resolves no scalar to a number, a boolean or a date."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Return the tag of a node; of scalars only null and the merge key keep theirs."""
        tag = super().resolve(kind, value, implicit)
        is_kept = kind is not ScalarNode or str(tag).endswith((":null", ":merge"))
        return tag if is_kept else self.DEFAULT_SCALAR_TAG


class _AllowingDuplicates(RoundTripConstructor):
    """Reads on after a key that is there twice."""

    def check_mapping_key(
        self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any
    ) -> bool:
        """Return whether a key is the first of its name."""
        if key in mapping:
            mapping.duplicate = (str(key), key_node.start_mark.line + 1)
            return False
        return bool(super().check_mapping_key(node, key_node, mapping, key, value))


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 10**6  # expressions are not wrapped
    yaml.preserve_quotes = True
    return yaml
