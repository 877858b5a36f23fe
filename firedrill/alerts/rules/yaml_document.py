"""A YAML file that is to be rewritten here and there: comments, order and quotes stay as they are."""

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


def parse(text: str, what: str) -> dict[str, Any]:
    """The mapping that `text` is; no document is {}.

    Raises BadInput if it is none, with the line where YAML is broken; `what` says what was expected, article included.
    """
    return _mapping(_loaded(_yaml(), text, what), what)


@lru_cache(
    maxsize=64
)  # A watcher and a lint come back to the same few files, which takes a tenth of a second each.
def read(text: str, what: str) -> dict[str, Any]:
    """The same to be looked at alone, and never changed: scalars as they are spelled, which is how Prometheus reads labels.

    Null is None; of a key that is there twice the first counts, and `repeated` tells of it.

    Raises BadInput as `parse` does.
    """
    yaml = _yaml()
    yaml.Resolver, yaml.Constructor = _AsSpelled, _Patient
    return _mapping(_loaded(yaml, text, what), what)


def _mapping(found: Any, what: str) -> dict[str, Any]:
    if not isinstance(found, dict | None):
        raise BadInput(f"line 1: no mapping; expected {what}")
    return {} if found is None else found


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


def repeated(mapping: Any) -> tuple[str, int] | None:
    """A key that a mapping of a document that was read has twice, with the line of the second; None for most."""
    found: tuple[str, int] | None = getattr(mapping, "repeated", None)
    return found


def placed(file: str, error: BadInput) -> tuple[str, str]:
    """Where a mistake in a file is (`file:line`, to which editors jump; the file where it has no line), and what it is."""
    line, text = re.fullmatch(r"(?:line (\d+): )?(.*)", str(error), re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{file}:{line}" if line else file, text


def emptied(text: str, places: Iterable[tuple[str | int, ...]]) -> str:
    """The same with null at these places (keys and numbers, from the top), and all else on its line."""
    root = _yaml().compose(text)
    nodes = [node for place in places if (node := _at(root, place))]
    spans = {
        (node.start_mark.index, node.end_mark.index) for node in nodes if node.value
    }  # Nothing at all is null already.
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + "null" + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def _at(node: Any, place: Sequence[str | int]) -> Any:
    """None where a merge key or an alias brought what is there."""
    for step in place:
        node = (
            node.value[step]
            if isinstance(step, int)
            else next((value for key, value in node.value if key.value == step), None)
        )
        if node is None:
            return None
    return node


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
        return (
            tag
            if kind is not ScalarNode or str(tag).endswith((":null", ":merge"))
            else self.DEFAULT_SCALAR_TAG
        )


class _Patient(RoundTripConstructor):
    """Reads on after a key that is there twice."""

    def check_mapping_key(
        self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any
    ) -> bool:
        """Whether it is the first of its name."""
        if key in mapping:
            mapping.repeated = (str(key), key_node.start_mark.line + 1)
            return False
        return bool(super().check_mapping_key(node, key_node, mapping, key, value))


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 10**6  # expressions are not wrapped
    yaml.preserve_quotes = True
    return yaml
