"""Rules that Prometheus cannot evaluate, as seen by the looks at it during the load."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from firedrill.record.outcome import Reason
from firedrill.stack.configuration import USER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOSTLY = 0.5
"""A rule that fails at more of the looks is broken; its silence or values prove nothing."""


@dataclass(slots=True)
class RuleHealth:
    """How often each rule was looked at, and how often its last evaluation had failed."""

    errors: dict[str, str] = field(default_factory=dict)
    """Prometheus's last error of each rule that failed, by name."""
    _looks: Counter[str] = field(default_factory=Counter)
    _failed: Counter[str] = field(default_factory=Counter)
    _given: set[str] = field(default_factory=set)
    """Names of the rules that `--rules` gave."""

    def look(self, groups: Iterable[Any]) -> None:
        """Note the rule groups of `/api/v1/rules`; a rule not yet evaluated does not count."""
        for group in groups:
            is_given = PurePath(str(group.get("file", ""))).name.startswith(USER_PREFIX)
            for rule in group["rules"]:
                name = str(rule["name"])
                if rule.get("health") not in {"ok", "err"}:
                    continue
                self._looks[name] += 1
                if rule["health"] == "err":
                    self._failed[name] += 1
                    self.errors[name] = str(rule.get("lastError"))
                    self._given |= {name} if is_given else set()

    def reasons(self) -> tuple[Reason, ...]:
        """Return a reason against the run for each given rule that failed mostly."""
        return tuple(
            Reason("rule_failed", text)
            for name, text in self._texts()
            if name in self._given and self._is_broken(name)
        )

    def remarks(self) -> tuple[Reason, ...]:
        """Return a remark for every other rule that failed."""
        return tuple(
            Reason("rule_failed", text)
            for name, text in self._texts()
            if not (name in self._given and self._is_broken(name))
        )

    def _is_broken(self, name: str) -> bool:
        return self._failed[name] > MOSTLY * self._looks[name]

    def _texts(self) -> Iterator[tuple[str, str]]:
        for name, error in self.errors.items():
            text = (
                f"the rule {name} could not be evaluated at {self._failed[name]} of"
                f" {self._looks[name]} looks, so its silence proves nothing: {error}"
            )
            yield name, text
