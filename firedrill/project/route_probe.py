"""Print the routes of an application as an OpenAPI document; runs in the application's Python.

Usage: `python -c SOURCE OUTPUT FRAMEWORK MODULE ATTRIBUTE FOLDER`. It needs the standard library
and the application's own packages. `firedrill init` never imports it.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

TYPES = {
    "IntegerConverter": {"type": "integer"},
    "IntConverter": {"type": "integer"},
    "FloatConverter": {"type": "number"},
    "UUIDConverter": {"type": "string", "format": "uuid"},
}
"""The schema of a path parameter by the converter of Flask or Django."""


def main(output: str, framework: str, module: str, attribute: str, folder: str) -> None:
    """Write the document of an application to a file."""
    sys.path.insert(0, folder)
    document = {"flask": _flask, "fastapi": _fastapi, "django": _django}[framework]
    Path(output).write_text(json.dumps(document(module, attribute), default=str))


def _application(module: str, attribute: str) -> Any:
    application = getattr(importlib.import_module(module), attribute.removesuffix("()"))
    return application() if attribute.endswith("()") else application


def _fastapi(module: str, attribute: str) -> Any:
    return _application(module, attribute).openapi()


def _flask(module: str, attribute: str) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for rule in _application(module, attribute).url_map.iter_rules():
        if rule.endpoint == "static" or rule.endpoint.endswith(".static"):
            continue
        path, parameters = rule.rule, []
        for name, converter in rule._converters.items():  # noqa: SLF001 -- werkzeug has no other way
            path = _without_converter(path, name)
            parameters.append(_parameter(name, converter))
        for method in rule.methods:
            paths.setdefault(path, {})[method.lower()] = {
                "operationId": rule.endpoint,
                "parameters": parameters,
            }
    return {"paths": paths}


def _without_converter(path: str, name: str) -> str:
    before, found, rest = path.partition(f":{name}>")
    if not found:
        return path.replace(f"<{name}>", f"{{{name}}}")
    return f"{before[: before.rindex('<')]}{{{name}}}{rest}"


def _parameter(name: str, converter: Any) -> dict[str, Any]:
    schema: dict[str, Any] = dict(TYPES.get(type(converter).__name__, {"type": "string"}))
    if hasattr(converter, "items"):  # Flask's `any(a, b)`
        schema["enum"] = sorted(converter.items)
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _django(module: str, _attribute: str) -> dict[str, Any]:
    import os  # noqa: PLC0415 -- of this framework alone

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", module)
    django: Any = importlib.import_module("django")
    django.setup()
    paths: dict[str, Any] = {}
    resolver = importlib.import_module("django.urls").get_resolver()
    _add_django(paths, resolver.url_patterns, "/", [])
    return {"paths": paths}


def _add_django(
    paths: dict[str, Any], patterns: Any, prefix: str, before: list[dict[str, Any]]
) -> None:
    """Add the patterns below a prefix; those of regular expressions have no path to write."""
    for pattern in patterns:
        route = getattr(pattern.pattern, "_route", None)
        if route is None or getattr(pattern, "app_name", None) == "admin":
            continue
        path, parameters = f"{prefix}{route}", [*before]
        for name, converter in pattern.pattern.converters.items():
            path = _without_converter(path, name)
            parameters.append(_parameter(name, converter))
        if hasattr(pattern, "url_patterns"):
            _add_django(paths, pattern.url_patterns, path, parameters)
        elif _answers_get(pattern.callback):
            paths[path] = {"get": {"operationId": pattern.name or "", "parameters": parameters}}


def _answers_get(view: Any) -> bool:
    actions = getattr(view, "actions", None)
    if actions is not None:
        return "get" in actions
    owner = getattr(view, "view_class", None)
    return owner is None or hasattr(owner, "get")


if __name__ == "__main__":
    main(*sys.argv[1:])
