"""Production rules shrunk to a drill: each duration (rules/durations.py) divided by the scale.

Only durations are rewritten, in the text as it is written; the rest of a file keeps its form.
Latencies, ratios and thresholds stay. Counts keep their production meaning, because an
`increase()` over a shrunk window is multiplied back. Numbers that are seconds by their place
(elapsed_seconds.py) are divided, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from firedrill.alerts.rules import durations, rule_file, rule_format, tokens, yaml_document
from firedrill.alerts.scaling import elapsed_seconds
from firedrill.alerts.scaling.intervals import SCRAPE_MS, SHORTEST_WINDOW_MS
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORTEST_MS = {tokens.WINDOW: SHORTEST_WINDOW_MS, tokens.STEP: SCRAPE_MS, tokens.OFFSET: 0}
"""The shortest that a duration of an expression becomes, by its role."""

Span = tuple[int, int]
"""Index of the first character in a text, and of the one after the last."""


@dataclass(frozen=True, slots=True)
class ScaledRules:
    """A rule file after scaling, and a sentence for each duration that had to stay longer."""

    text: str
    clamped: tuple[str, ...]
    seconds: tuple[str, ...] = ()
    """A sentence for each number of seconds that was divided, or that has to be by hand."""


@dataclass(slots=True)
class Scaler:
    """Divides durations by `factor`, and remembers those that had to stay longer."""

    factor: float
    clamped: list[str] = field(default_factory=list)
    seconds: list[str] = field(default_factory=list)

    def shrink(self, duration: str, place: str, shortest_ms: int = 0) -> str:
        """Return a duration divided, but no shorter than `shortest_ms` or its own length."""
        length_ms = durations.parse_ms(duration)
        wanted_ms = round(length_ms / self.factor)
        given_ms = max(wanted_ms, min(length_ms, shortest_ms))
        given, wanted = durations.format_ms(given_ms), durations.format_ms(wanted_ms)
        if given_ms > wanted_ms:
            self.clamped.append(f"{place}: {duration} is {given} here, not {wanted}")
        return given

    def expression(self, text: str, place: str) -> str:
        """Return an expression with every window, subquery step, offset and second shrunk.

        Every `increase()` is multiplied by what its window lost.
        """
        divided = elapsed_seconds.divide(text, self.factor)
        self.seconds += [f"{place}: {sentence}" for sentence in divided.sentences]
        return rewrite_durations(
            divided.text,
            # Prometheus refuses a duration of zero there.
            lambda duration, shortest_ms: self.shrink(duration, place, max(1, shortest_ms)),
            lambda old, new: f"{durations.parse_ms(old) / durations.parse_ms(new):.12g}",
        )


@lru_cache(maxsize=16)  # A watcher asks for the text, and later for what was clamped.
def scale_rules(text: str, factor: float) -> ScaledRules:
    """Return a rule file of any format with its durations divided by `factor`; by 1, as it is.

    Raises:
        BadInput: the factor is below 1, or the text is no rule file; names the line.
            Whether its rules are valid is for `promtool check rules` to say.
    """
    if not factor >= 1:
        raise BadInput(f"the time scale is {factor:g}; expected 1 or more")
    if factor == 1:
        return ScaledRules(text, ())
    for mistake in rule_file.parse_tolerantly(text, "").mistakes:
        raise BadInput(f"line {mistake.place.removeprefix(':')}: {mistake.text}")
    scaler = Scaler(factor)
    edits = {}
    for document in rule_format.split(text).texts:
        shift = len(text) - len(document)
        for root in yaml_document.compose(document, rule_format.EXPECTED):
            for (start, end), edit in _edits(root, document, scaler):
                edits[start + shift, end + shift] = edit
    for (start, end), new in sorted(edits.items(), reverse=True):
        text = text[:start] + new + text[end:]
    unique = (tuple(dict.fromkeys(said)) for said in (scaler.clamped, scaler.seconds))
    return ScaledRules(text, *unique)


def rewrite_durations(
    text: str, shorten: Callable[[str, int], str], factor: Callable[[str, str], str]
) -> str:
    """Return an expression with other durations.

    Args:
        text: The expression.
        shorten: The new text of a duration; called with the duration and the shortest that it
            may become (milliseconds).
        factor: The factor that an `increase()` gets; called with its old and its new window.
    """
    return tokens.replace_durations(
        text, lambda duration, role: shorten(duration, SHORTEST_MS[role]), factor
    )


def _edits(root: Any, text: str, scaler: Scaler) -> Iterator[tuple[Span, str]]:
    """Yield the span and the new text of every scalar in which a duration is scaled."""
    for group in _items(_keys(root).get("groups")):
        keys = _keys(group)
        name = getattr(keys.get("name"), "value", "")
        for key in ("interval", "query_offset"):
            if _is_filled(keys.get(key)):
                shortest_ms = SCRAPE_MS if key == "interval" else 0
                new = scaler.shrink(keys[key].value, f"group {name}", shortest_ms)
                yield _edit(keys[key], new)
        for rule in _items(keys.get("rules")):
            yield from _rule_edits(rule, text, scaler)


def _rule_edits(rule: Any, text: str, scaler: Scaler) -> Iterator[tuple[Span, str]]:
    keys = _keys(rule)
    name = keys.get("alert") or keys.get("record")
    place = str(getattr(name, "value", ""))
    if _is_filled(keys.get("expr")):
        yield _expression_edit(keys["expr"], text, scaler, place)
    for key in ("for", "keep_firing_for"):
        if _is_filled(keys.get(key)):
            yield _edit(keys[key], scaler.shrink(keys[key].value, place))


def _expression_edit(node: Any, text: str, scaler: Scaler, place: str) -> tuple[Span, str]:
    """Return the edit of an expression: within its lines if it means the same there as in YAML."""
    new = scaler.expression(node.value, place)
    span = _span(node)
    written = text[slice(*span)]
    before, after = ("", "")
    if node.style in {"|", ">"}:
        before = written.partition("\n")[0]
    elif node.style:
        before = after = node.style
    inner = written[len(before) : len(written) - len(after)]
    edited = f"{before}{Scaler(scaler.factor).expression(inner, place)}{after}"
    indent = " " * node.start_mark.column
    is_same = _reads_as(indent + edited if "\n" in edited else edited, new)
    return span, edited if is_same else json.dumps(new, ensure_ascii=False)


def _reads_as(scalar: str, expected: str) -> bool:
    try:
        (node,) = yaml_document.compose(f"k: {scalar.lstrip()}", rule_format.EXPECTED)
    except BadInput:
        return False
    value = node.value[0][1]
    # The last line break of a block depends on what follows it in the file.
    return isinstance(value, ScalarNode) and value.value.strip() == expected.strip()


def _edit(node: Any, new: str) -> tuple[Span, str]:
    """Return the edit of a duration, with the quotes that it has."""
    quote = node.style if node.style in {"'", '"'} else ""
    return _span(node), f"{quote}{new}{quote}"


def _span(node: Any) -> Span:
    return node.start_mark.index, node.end_mark.index


def _is_filled(node: Any) -> bool:
    return isinstance(node, ScalarNode) and node.value not in {"", "null", "~"}


def _items(node: Any) -> list[Any]:
    return list(node.value) if isinstance(node, SequenceNode) else []


def _keys(node: Any) -> dict[str, Any]:
    """Return the values of a mapping by key, those of a merge key (`<<`) included."""
    if not isinstance(node, MappingNode):
        return {}
    own = {str(key.value): value for key, value in reversed(node.value)}
    merged = own.pop("<<", None)
    inherited = _items(merged) or [merged]
    return {**{key: value for part in inherited for key, value in _keys(part).items()}, **own}
