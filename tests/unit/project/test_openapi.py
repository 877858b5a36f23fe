"""Routes of an OpenAPI document, and the locustfile made of them."""

import ast

import pytest

from firedrill.errors import BadInput
from firedrill.project import locustfile, openapi
from firedrill.project.openapi import Route


def parameter(name, place="path", **more):
    return {"name": name, "in": place, "required": True, **more}


def path_of(path, *parameters, **document):
    """Return the route of a document with this path alone."""
    paths = {path: {"get": {"parameters": [*parameters]}}}
    return openapi.routes({"paths": paths, **document})[0]


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({"example": "blue lamp"}, "/a/blue%20lamp"),
        ({"examples": {"first": {"value": "x/y"}}}, "/a/x%2Fy"),
        ({"schema": {"type": "string", "example": "e"}}, "/a/e"),
        ({"schema": {"type": "string", "examples": ["f"]}}, "/a/f"),
        ({"schema": {"enum": ["new", "old"]}}, "/a/new"),
        ({"schema": {"type": "integer"}}, "/a/1"),
        ({"schema": {"type": "integer", "minimum": 10}}, "/a/11"),
        ({"schema": {"type": "boolean", "default": True}}, "/a/true"),
        ({"type": "integer"}, "/a/1"),
        ({"schema": {"type": "string"}}, None),
        ({}, None),
    ],
)
def test_path_parameters_come_from_examples(more, sent):
    assert path_of("/a/{id}", parameter("id", **more)).path == sent


def test_required_queries_are_sent_and_headers_are_not_guessed():
    assert path_of("/a", parameter("q", "query", example="x y")).path == "/a?q=x+y"
    optional = {"name": "q", "in": "query", "schema": {"type": "integer"}}
    assert path_of("/a", optional).path == "/a"
    assert path_of("/a", parameter("X-Key", "header", example="k")).missing == ("X-Key (header)",)


def test_references_and_base_paths_are_followed():
    shared = {"components": {"parameters": {"id": parameter("id", example=7)}}}
    reference = {"$ref": "#/components/parameters/id"}
    servers = [{"url": "https://production.example.com/v2/"}]
    assert path_of("/a/{id}", reference, **shared, servers=servers).path == "/v2/a/7"
    assert path_of("/a", basePath="/v1").path == "/v1/a"
    assert path_of("/a/{id}", {"$ref": "#/nowhere"}).missing == ("id",)


def test_only_requests_that_read_are_taken():
    paths = {"/a": {"post": {}, "delete": {}}, "/b": {"get": {}, "put": {}}, "/c": None}
    assert [route.name for route in openapi.routes({"paths": paths})] == ["/b"]


@pytest.mark.parametrize("text", ["", "[]", "{", "openapi: 3.0.0", "paths: 3", "a: [b", "\t"])
def test_what_is_no_document_is_one_line(tmp_path, text):
    for name in ("openapi.json", "openapi.yaml"):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadInput, match=r"expected an OpenAPI document$") as caught:
            openapi.read(tmp_path / name)
        assert "\n" not in str(caught.value)


NASTY = (
    "/a'); import os; os.abort() #",
    "/\"\"\"'''",
    "/line\nbreak",
    "/{x}\nimport os",
    "/on_start",
    "/class",
    "/1",
    "/é",
    "/a",
    "/A",
)


def test_names_of_routes_are_text_and_never_code():
    routes = [route for name in NASTY for route in (Route(name, name), Route(name, None, (name,)))]
    tree = ast.parse(locustfile.text(routes))
    user = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    tasks = [node for node in user.body if isinstance(node, ast.FunctionDef)]
    assert [type(node).__name__ for node in tree.body] == ["Expr", "ImportFrom", "ClassDef"]
    assert [task.body[0].value.args[0].value for task in tasks] == [*NASTY]
    assert len({task.name for task in tasks}) == len(NASTY)
    assert not any(task.name.startswith("on_") for task in tasks)


def test_without_routes_the_front_page_is_requested():
    assert "self.client.get('/')" in locustfile.text([])
