"""YAML files read with line numbers, and edited without the loss of comments and quotes."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


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
    return _with_lines(lambda: yaml.load(text), text, expected)


def _with_lines(read: Callable[[], Any], text: str, expected: str) -> Any:
    """Return what `read` returns; raise BadInput, with the line, for an error of YAML in it."""
    try:
        return read()
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        line = min(line, max(1, len(text.splitlines())))  # An end that is missing has no line.
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


def compose(text: str, expected: str) -> list[Any]:
    """Return the root node of each document in a text.

    Raises:
        BadInput: it is no YAML; the message has the line.
    """
    yaml = _yaml()

    def nodes() -> Iterator[Any]:
        constructor, _ = yaml.get_constructor_parser(text)
        while constructor.composer.check_node():
            yield constructor.composer.get_node()

    return list(_with_lines(lambda: list(nodes()), text, expected))


def blank_out(
    text: str,
    values: Iterable[tuple[str | int, ...]],
    entries: Iterable[tuple[str | int, ...]] = (),
) -> str:
    """Return a document without what is at these paths (keys and indices), and all lines kept.

    Args:
        text: The document.
        values: Paths that get null.
        entries: Paths of which the key goes, too.
    """
    root = _yaml().compose(text)
    spans: dict[tuple[int, int], str] = {}
    for path in values:
        node = _node_at(root, path)
        if node and node.value:  # An empty node is null already.
            spans[node.start_mark.index, node.end_mark.index] = "null"
    for path in entries:
        mapping = _node_at(root, path[:-1])
        for key, value in mapping.value if mapping else ():
            if key.value == path[-1]:
                start, end = key.start_mark.index, value.end_mark.index
                spans[_with_comma(text, start, end) if mapping.flow_style else (start, end)] = ""
    for (start, end), filling in sorted(spans.items(), reverse=True):
        text = text[:start] + filling + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def blank_out_line(text: str, line: int, key: str | None) -> str:
    """Return a rule file without the key that is on a line, else without the rule or value there.

    Unchanged if nothing on that line can be taken out.
    """
    path = _path_at(_yaml().compose(text), line - 1, key)
    if not path:
        return text
    return blank_out(text, () if key else (path,), (path,) if key else ())


def _path_at(node: Any, line: int, key: str | None) -> tuple[str | int, ...] | None:
    """Return the path of a key, or of the innermost value of a key, that begins on a line."""
    if isinstance(node, MappingNode):
        for name, value in node.value:
            deeper = _path_at(value, line, key)
            if deeper is not None:
                return str(name.value), *deeper
            if name.start_mark.line == line and key in {None, name.value}:
                return (str(name.value),)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            deeper = _path_at(item, line, key)
            if deeper is not None:
                return index, *deeper
            if item.start_mark.line == line and key is None:
                return (index,)
    return None


def _with_comma(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span of an entry of `{...}` with the comma after it, else with the one before."""
    if after := re.compile(r"\s*,").match(text, end):
        return start, after.end()
    before = re.search(r",\s*\Z", text[:start])
    return (before.start() if before else start), end


def _node_at(node: Any, path: Sequence[str | int]) -> Any:
    """Return the node at a path; None where a merge key or an alias brought it."""
    for step in path:
        node = _child(node, step) if node is not None else None
    return node


def _child(node: Any, step: str | int) -> Any:
    if not isinstance(node.value, list):
        return None
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
