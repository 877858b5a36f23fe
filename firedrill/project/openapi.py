"""The requests that an OpenAPI document describes and that change nothing: GET, with examples."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAMES = ("openapi.json", "openapi.yaml", "openapi.yml", "swagger.json", "swagger.yaml")
FOLDERS = (".", "docs", "api", "spec")

MOST_ROUTES = 200
"""As many names as the exporter keeps apart."""


@dataclass(frozen=True, slots=True)
class Route:
    """A request: the path as the document names it, and a path that can be sent."""

    name: str
    path: str | None
    """None if a parameter has no example."""
    missing: tuple[str, ...] = ()
    """Parameters without an example."""


def find(root: Path) -> Path | None:
    """Return the OpenAPI file of a project; None without one."""
    files = (root / folder / name for folder in FOLDERS for name in NAMES)
    return next((file for file in files if file.is_file()), None)


def read(file: Path) -> dict[str, Any]:
    """Return the document in a JSON or YAML file.

    Raises:
        BadInput: it cannot be read, or is no OpenAPI document.
    """
    try:
        text = file.read_text(encoding="utf-8")
        document = json.loads(text) if file.suffix == ".json" else YAML(typ="safe").load(text)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected an OpenAPI document") from error
    except (ValueError, YAMLError) as error:
        first = str(error).splitlines()[0]
        raise BadInput(f"{file}: {first}; expected an OpenAPI document") from error
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise BadInput(f"{file}: no paths; expected an OpenAPI document")
    return document


def routes(document: Mapping[str, Any]) -> list[Route]:
    """Return the routes that a GET request reads, in the document's order."""
    prefix = _prefix(document)
    found = []
    for path, item in _items(document.get("paths")):
        operation = _resolved(document, item).get("get")
        if isinstance(path, str) and path.startswith("/") and isinstance(operation, dict):
            parameters = [
                _resolved(document, parameter)
                for owner in (_resolved(document, item), operation)
                for parameter in _list(owner.get("parameters"))
            ]
            found.append(_route(document, prefix + path, parameters))
    return found[:MOST_ROUTES]


def _route(document: Mapping[str, Any], path: str, parameters: list[dict[str, Any]]) -> Route:
    # An operation's own parameter replaces the one of its path.
    by_name = {(p.get("in"), str(p.get("name"))): p for p in parameters}
    missing, query, filled = [], {}, path
    for name in re.findall(r"{([^{}]+)}", path):
        value = _example(document, by_name.get(("path", name), {}))
        if value is None:
            missing.append(name)
        else:
            filled = filled.replace(f"{{{name}}}", quote(_written(value), safe=""))
    for (place, name), parameter in by_name.items():
        if place == "path" or parameter.get("required") is not True:
            continue
        value = _example(document, parameter)
        if place != "query" or value is None:
            missing.append(f"{name} ({place})")
        else:
            query[name] = _written(value)
    if missing:
        return Route(path, None, tuple(missing))
    return Route(path, filled + (f"?{urlencode(query)}" if query else ""))


def _example(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Any:
    """Return an example of a parameter: its own, its schema's, or 1 for a number; None without."""
    # OpenAPI 2 has the keys of the schema in the parameter.
    schema = {**parameter, **_resolved(document, parameter.get("schema"))}
    for value in _candidates(document, parameter, schema):
        if isinstance(value, str | int | float) and value != "":
            return value
    if schema.get("type") in {"integer", "number"}:
        lowest = schema.get("minimum")
        return max(1, int(lowest) + 1) if isinstance(lowest, int | float) else 1
    return None


def _candidates(
    document: Mapping[str, Any], parameter: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[Any]:
    yield parameter.get("example")
    for _, example in _items(parameter.get("examples")):
        yield _resolved(document, example).get("value")
    yield schema.get("example")
    yield from _list(schema.get("examples"))
    yield schema.get("default")
    yield schema.get("const")
    yield from _list(schema.get("enum"))


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _prefix(document: Mapping[str, Any]) -> str:
    """Return the path below which the API is; its host is not taken, it may be production."""
    base = document.get("basePath")
    servers = _list(document.get("servers"))
    if base is None and servers and isinstance(servers[0], dict):
        url = servers[0].get("url")
        base = urlsplit(url).path if isinstance(url, str) and "{" not in url else None
    return base.rstrip("/") if isinstance(base, str) and base.startswith("/") else ""


def _resolved(document: Mapping[str, Any], node: Any) -> dict[str, Any]:
    """Return a node, or what its local `$ref` points to; {} if that is no object."""
    for _ in range(10):
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            break
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, dict) else None
        node = target
    return node if isinstance(node, dict) else {}


def _items(node: Any) -> list[tuple[Any, Any]]:
    return list(node.items()) if isinstance(node, dict) else []


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []
