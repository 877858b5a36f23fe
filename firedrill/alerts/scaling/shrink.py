"""Production rules shrunk to a drill: each duration (rules/durations.py) divided by the scale.

Only duration tokens are rewritten. Latencies, ratios and thresholds stay. Counts keep their
production meaning, because an `increase()` over a shrunk window is multiplied back.
Seconds that are written as numbers (`predict_linear`, arithmetic with `time()`) are not scaled,
because nothing tells them from other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import durations, rule_file, tokens, yaml_document
from firedrill.alerts.scaling.intervals import SCRAPE_MS, SHORTEST_WINDOW_MS
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORTEST_MS = {tokens.WINDOW: SHORTEST_WINDOW_MS, tokens.STEP: SCRAPE_MS, tokens.OFFSET: 0}
"""The shortest that a duration of an expression becomes, by its role."""


@dataclass(frozen=True, slots=True)
class ScaledRules:
    """A rule file after scaling, and a sentence for each duration that had to stay longer."""

    text: str
    clamped: tuple[str, ...]


@dataclass(slots=True)
class Scaler:
    """Divides durations by `factor`, and remembers those that had to stay longer."""

    factor: float
    clamped: list[str] = field(default_factory=list)

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
        """Return an expression with every window, subquery step and offset shrunk.

        Every `increase()` is multiplied by what its window lost.
        """
        return rewrite_durations(
            text,
            # Prometheus refuses a duration of zero there.
            lambda duration, shortest_ms: self.shrink(duration, place, max(1, shortest_ms)),
            lambda old, new: f"{durations.parse_ms(old) / durations.parse_ms(new):.12g}",
        )


@lru_cache(maxsize=16)  # A watcher asks for the text, and later for what was clamped.
def scale_rules(text: str, factor: float) -> ScaledRules:
    """Return a rule file with its durations divided by `factor`; by 1, the text as it is.

    Raises:
        BadInput: the factor is below 1, or the text is no rule file; names the line.
            Whether its rules are valid is for `promtool check rules` to say.
    """
    if not factor >= 1:
        raise BadInput(f"the time scale is {factor:g}; expected 1 or more")
    if factor == 1:
        return ScaledRules(text, ())
    rules = _load(text)
    if not rules:
        return ScaledRules(text, ())
    scaler = Scaler(factor)
    # All values are computed before the first is written: YAML aliases may make two rules share
    # one mapping.
    for mapping, key, value in list(_edits(rules, scaler)):
        mapping[key] = value
    return ScaledRules(yaml_document.dump(rules), tuple(dict.fromkeys(scaler.clamped)))


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


def _load(text: str) -> dict[str, Any]:
    rules = yaml_document.load(text, "a Prometheus rule file")
    rule_file.raise_first_mistake(rules)
    return rules


def _edits(rules: Any, scaler: Scaler) -> Iterator[tuple[Any, str, str]]:
    """Yield (mapping, key, new value) for every duration in a rule file."""
    for group in rules.get("groups") or ():
        if "interval" in group:
            place = f"group {group.get('name')}"
            yield group, "interval", scaler.shrink(str(group["interval"]), place, SCRAPE_MS)
        for rule in group.get("rules") or ():
            place = str(rule.get("alert") or rule.get("record"))
            if isinstance(expression := rule.get("expr"), str):
                yield rule, "expr", type(expression)(scaler.expression(expression, place))
            for key in ("for", "keep_firing_for"):
                if key in rule:
                    yield rule, key, scaler.shrink(str(rule[key]), place)
