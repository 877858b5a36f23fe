"""Files for a monitoring that is there already: dashboards for Grafana, rules for Prometheus."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from firedrill import atomic_file, places
from firedrill.alerts.rules import promtool
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RuleFormat = Literal["prometheus", "prometheusrule"]

_RESOURCE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def dashboards(folder: Path) -> list[Path]:
    """Write the dashboards; return their files.

    They choose their data source by a variable, which begins with the default one of the Grafana
    that imports them.

    Raises:
        BadInput: the folder cannot be written to, or has another file of that name.
    """
    texts = {file.name: _importable(file) for file in _sources()}
    written = []
    for name, text in texts.items():
        file = folder / name
        if file.exists() and file.read_text() != text:
            raise BadInput(f"{file}: is there already, and differs; expected another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            atomic_file.write(folder / name, text)
            written.append(folder / name)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}; expected a folder to write to") from error
    return written


def _sources() -> list[Path]:
    return sorted((places.GRAFANA / "dashboards").glob("*.json"))


def _importable(file: Path) -> str:
    dashboard: dict[str, Any] = json.loads(file.read_text())
    dashboard["id"] = None
    dashboard["refresh"] = ""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "datasource":
            variable["current"] = {}
            variable["hide"] = 0
    return json.dumps(dashboard, indent=2) + "\n"


def rules(files: Sequence[Path], form: RuleFormat, name: str) -> str:
    """Return the groups of rule files as one rule file, or as a PrometheusRule of the operator.

    Raises:
        BadInput: a file is no rule file, two groups have one name, or the name is not possible.
    """
    if form == "prometheusrule" and not _RESOURCE_NAME.fullmatch(name):
        raise BadInput(
            f"--name {name}: no name of a Kubernetes resource; "
            "expected lower-case letters, digits, dashes and dots"
        )
    groups = [group for file in files for group in _groups(file)]
    names = [str(group.get("name")) for group in groups]
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice is not None:
        raise BadInput(f"two groups are called {twice}; expected each name once")
    content: dict[str, Any] = {"groups": groups}
    if form == "prometheusrule":
        content = {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": name},
            "spec": content,
        }
    text = StringIO()
    _yaml().dump(content, text)
    return text.getvalue()


def bundled_rules() -> list[Path]:
    """Return the bundle's rule files, in the production form."""
    return sorted(places.RULES.glob("*.yml"))


def _groups(file: Path) -> list[Any]:
    if not file.is_file():
        raise BadInput(f"{file}: no such file; expected a Prometheus rule file")
    mistake = promtool.first_mistake(file)
    if mistake:
        raise BadInput(mistake)
    content = YAML(typ="safe").load(file.read_text())
    return [_written(group) for group in content.get("spec", content).get("groups") or ()]


def _written(value: Any) -> Any:
    """Return text as it is safely written: readers of YAML 1.1 take a plain `on` for a boolean."""
    if isinstance(value, dict):
        return {name: _written(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_written(item) for item in value]
    if not isinstance(value, str):
        return value
    return LiteralScalarString(value) if "\n" in value else DoubleQuotedScalarString(value)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
