"""The formats in which people keep rules, each turned into plain rule files on the same lines.

Plain rule files, Kubernetes' PrometheusRule (one, several or a list), Mimir's and Cortex's
namespaces, and each of them as JSON. Anything else is named for what it is.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from firedrill.alerts.rules import yaml_document
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EXPECTED = "a Prometheus rule file"

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PLAIN = re.compile(
    r"\A(?:[ \t]*(?:#[^\n]*)?\n)*(?:---[ \t]*\n)?(?:[ \t]*(?:#[^\n]*)?\n)*groups[ \t]*:"
)
_NEXT_DOCUMENT = re.compile(r"^(?:---|\.\.\.)(?=\s|$)", re.MULTILINE)
_OTHER_KEY = re.compile(r"^[A-Za-z_][\w-]*[ \t]*:", re.MULTILINE)

_TEMPLATES = (
    (
        re.compile(
            r"\{\{-?\s*(?:\(?\s*(?:if|with|range|not|and|or|include|tpl|default|toYaml|\$\w+\s*:=)\b"
            r"[^}\n]*?)?\(?\s*\$?\.(?:Values|Release|Chart|Capabilities|Template|Files)\b"
            r"|\{\{-?\s*include\s+[\"'`]|\|\s*n?indent\s+\d+\s*-?\}\}"
        ),
        "an unrendered Helm template; expected what `helm template CHART` prints",
    ),
    (re.compile(r"\{%"), "a Jinja template (Ansible); expected the file that it renders to"),
    (
        re.compile(
            r"\A\s*(?:local \w+ = |\(?import ['\"]|\{\s*\n?\s*(?:_config|prometheusAlerts)\+)"
        ),
        "jsonnet source; expected the rules that `jsonnet` or `mixtool generate` makes of it",
    ),
)
_LINE_OF_TEMPLATE = re.compile(r"^\s*\{\{", re.MULTILINE)

_OTHER_FILES: tuple[tuple[set[str], str], ...] = (
    (
        {"scrape_configs", "global", "rule_files", "alerting", "remote_write", "remote_read",
         "scrape_config_files"},
        "a Prometheus configuration; expected the files that it lists under rule_files",
    ),
    (
        {"route", "receivers", "inhibit_rules", "mute_time_intervals", "time_intervals"},
        "an Alertmanager configuration (see `amtool check-config`); expected a file of alert rules",
    ),
    ({"modules"}, "an exporter's configuration; expected a Prometheus rule file"),
)  # fmt: skip
_FURTHER_DOCUMENT = (
    "a further YAML document, which Prometheus does not read: it reads the first document of a"
    " file only; expected one document in a file"
)
_TESTS = (
    "a test for promtool; run it with `promtool test rules`; expected the files under rule_files"
)
_KUBERNETES_KINDS = {
    "ConfigMap": "; expected the rule files in its data",
    "AlertmanagerConfig": ", which routes alerts and has none; expected a PrometheusRule",
    "PrometheusServiceLevel": ", an SLO for Sloth; expected the rules that `sloth generate` makes",
    "ServiceLevelObjective": ", an SLO for Pyrra; expected the rules that `pyrra generate` makes",
    "GrafanaAlertRuleGroup": ", for Grafana's own alerts; expected a PrometheusRule",
}
_OTHER_ENGINES = {"VMRule", "PrometheusRule", "GlobalRules", "ClusterRules", "Rules"}
_ONLY_IN_MIMIR = {
    "source_tenants", "align_evaluation_time_on_interval", "evaluation_delay", "remote_write",
}  # fmt: skip
_ONLY_IN_OPERATOR = {"partial_response_strategy"}


class OtherFile(BadInput):
    """The file is no rule file, and certainly something else."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's text with `\\n` at the end of each line, and what its bytes had instead."""

    text: str
    codec: str = "utf-8"
    newline: str = "\n"

    @classmethod
    def decode(cls, data: bytes) -> SourceText:
        """Return the text of UTF-8 or, with a byte order mark, of UTF-16.

        Raises:
            BadInput: it is no text.
        """
        codec = next((codec for mark, codec in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            raise BadInput(f"no text; expected {EXPECTED}") from None
        newline = "\r\n" if "\r\n" in text else "\n"
        return cls(text.replace("\r\n", "\n").replace("\r", "\n"), codec, newline)

    def encode(self, text: str) -> bytes:
        """Return the bytes of an edited text, with the line ends and the mark of the file."""
        return text.replace("\n", self.newline).encode(self.codec)


@dataclass(frozen=True, slots=True)
class RuleDocuments:
    """The rules of one file."""

    texts: tuple[str, ...]
    """Plain rule files, every line where it is in the file.

    Characters of the rules are as far from the end of the text as in the file.
    """
    notes: tuple[tuple[int, str], ...] = ()
    """Lines with what Prometheus does otherwise than a reader may think."""


def split(text: str) -> RuleDocuments:
    """Return the plain rule files in a file's text.

    Raises:
        BadInput: it is something else, or no YAML; the message has the line, says what it is and
            what to hand in instead.
    """
    if _is_plain(text):
        _refuse_templates(text, is_yaml=True)
        return RuleDocuments((text,))
    try:
        roots = yaml_document.compose(text, EXPECTED)
    except BadInput:
        _refuse_templates(text, is_yaml=False)
        raise
    _refuse_templates(text, is_yaml=True)
    return _read(text, roots)


def _is_plain(text: str) -> bool:
    """Return whether a text is, at one glance, one plain rule file."""
    match = _PLAIN.match(text)
    if not match:
        return False
    rest = text[match.end() :]
    return not _NEXT_DOCUMENT.search(rest) and not _OTHER_KEY.search(rest)


def _refuse_templates(text: str, *, is_yaml: bool) -> None:
    for pattern, what in _TEMPLATES:
        if match := pattern.search(text):
            raise OtherFile(f"line {_line_at(text, match.start())}: this is {what}")
    if not is_yaml and (match := _LINE_OF_TEMPLATE.search(text)):
        raise OtherFile(
            f"line {_line_at(text, match.end())}: this is an unrendered template, no YAML;"
            " expected the file that it renders to"
        )


def _line_at(text: str, index: int) -> int:
    return text.count("\n", 0, index) + 1


def _read(text: str, roots: Sequence[Any]) -> RuleDocuments:
    resources = [item for root in roots for item in _resources(root)]
    if resources:
        return _read_resources(text, resources)
    if not roots or not any(_is_filled(root) for root in roots):
        return RuleDocuments(("",))
    namespaces = [root for root in roots if "namespace" in _keys(root) and "groups" in _keys(root)]
    if namespaces:
        texts = [
            _without_keys(_extract(text, root, "groups"), _ONLY_IN_MIMIR) for root in namespaces
        ]
        return RuleDocuments(tuple(texts))
    first = roots[0]
    if _is_filled(first):
        _refuse_other_files(first)
    if by_namespace := _groups_by_namespace(first):
        return RuleDocuments(tuple(_of_mimir(text, first, name) for name in by_namespace))
    return _first_document(text, roots)


def _of_mimir(text: str, root: Any, name: str) -> str:
    return _without_keys(_extract(text, root, name), _ONLY_IN_MIMIR)


def _first_document(text: str, roots: Sequence[Any]) -> RuleDocuments:
    """Return a file of several plain documents as Prometheus reads it: the first one only."""
    if not roots[1:]:
        return RuleDocuments((text,))
    end = roots[1].start_mark.index
    begin = max((match.start() for match in _NEXT_DOCUMENT.finditer(text, 0, end)), default=end)
    notes = [(_line(root), _FURTHER_DOCUMENT) for root in roots[1:] if _is_filled(root)]
    return RuleDocuments((text[:begin] + _blank(text[begin:]),), tuple(notes))


# -- Kubernetes


def _resources(root: Any) -> Iterator[Any]:
    """Yield the Kubernetes resources of a document: one, or those of a list."""
    keys = _keys(root)
    if "kind" not in keys or "apiVersion" not in keys:
        return
    if str(keys["kind"].value).endswith("List") and isinstance(keys.get("items"), SequenceNode):
        for item in keys["items"].value:
            yield from _resources(item)
    else:
        yield root


def _read_resources(text: str, resources: Sequence[Any]) -> RuleDocuments:
    texts = []
    for resource in resources:
        keys = _keys(resource)
        spec = keys.get("spec")
        if str(keys["kind"].value) in _OTHER_ENGINES and "groups" in _keys(spec):
            texts.append(_without_keys(_extract(text, spec, "groups"), _ONLY_IN_OPERATOR))
        elif str(keys["kind"].value) in _OTHER_ENGINES:
            raise BadInput(f"line {_line(resource)}: no spec.groups; expected a PrometheusRule")
    if not texts:
        kind = str(_keys(resources[0])["kind"].value)
        advice = _KUBERNETES_KINDS.get(
            kind, ", which has no alert rules; expected a PrometheusRule"
        )
        raise OtherFile(f"line {_line(resources[0])}: this is a Kubernetes {kind}{advice}")
    return RuleDocuments(tuple(texts))


# -- other files


def _refuse_other_files(root: Any) -> None:
    keys = _keys(root)
    if "tests" in keys and "groups" not in keys:
        raise OtherFile(f"line {_line(root)}: this is {_TESTS}")
    if str(getattr(keys.get("version"), "value", "")).startswith("prometheus/"):
        raise OtherFile(
            f"line {_line(root)}: this is an SLO for Sloth; expected the rules that"
            " `sloth generate` makes of it"
        )
    if "apiVersion" in keys and "groups" in keys:
        raise OtherFile(
            f"line {_line(root)}: these are alerts of Grafana's own (provisioning), no Prometheus"
            " rules; expected a Prometheus rule file"
        )
    for known, what in _OTHER_FILES:
        if "groups" not in keys and known & set(keys):
            raise OtherFile(f"line {_line(root)}: this is {what}")


def _groups_by_namespace(root: Any) -> list[str]:
    """Return the namespaces of what Mimir's and Cortex's API lists: groups by namespace."""
    keys = _keys(root)
    is_listing = "groups" not in keys and all(
        isinstance(node, SequenceNode)
        and all("name" in _keys(group) and "rules" in _keys(group) for group in node.value)
        for node in keys.values()
    )
    return list(keys) if keys and is_listing else []


# -- nodes


def _keys(node: Any) -> dict[str, Any]:
    """Return the values of a mapping's node by key; {} for another node."""
    if not isinstance(node, MappingNode):
        return {}
    return {str(key.value): value for key, value in reversed(node.value)}


def _is_filled(root: Any) -> bool:
    return not (isinstance(root, ScalarNode) and root.value in {"", "null", "~"})


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _extract(text: str, mapping: Any, name: str) -> str:
    """Return a file's text with the value of one key as its groups, and blanks for the rest."""
    key, value = next((key, value) for key, value in mapping.value if str(key.value) == name)
    before, after = key.start_mark.index, value.end_mark.index
    groups = f"groups{text[key.end_mark.index : after]}"
    if mapping.flow_style:
        return f"{_blank(text[: before - 1])}{{{groups}}}{_blank(text[after + 1 :])}"
    return _blank(text[:before]) + groups + _blank(text[after:])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _without_keys(text: str, names: Iterable[str]) -> str:
    """Return a plain rule file without these keys of its groups."""
    wanted = set(names)
    if not any(name in text for name in wanted):
        return text
    (root,) = yaml_document.compose(text, EXPECTED)
    groups = _keys(root).get("groups")
    paths = [
        ("groups", index, name)
        for index, group in enumerate(groups.value if isinstance(groups, SequenceNode) else ())
        for name in wanted & set(_keys(group))
    ]
    return yaml_document.blank_out(text, (), paths)
