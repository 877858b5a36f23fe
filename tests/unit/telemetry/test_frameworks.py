"""`instrument` takes any application, names its routes, and says what it can't take."""

import functools
import json
import subprocess
import sys

import pytest

from firedrill.errors import BadInput
from firedrill.places import ROOT
from firedrill.telemetry.middleware import frameworks

DJANGO = {
    ("/items/<int:number>/", "200"): 1,
    ("/api/old/(?P<slug>[^/]+)/", "200"): 1,
    ("none", "404"): 1,
}
COUNTS = {
    "fastapi": {
        ("/items/{number}", "200"): 2,
        ("/v1/orders/{number}", "200"): 1,
        ("/tenants/{tenant}/things/{number}", "200"): 1,
        ("/raw/{path}", "200"): 1,
        ("/docs", "200"): 1,
        ("/broken", "500"): 1,
        ("/feed/{name}", "101"): 1,
        ("none", "404"): 2,
    },
    "root_path": {("/api/items/{number}", "200"): 1, ("none", "404"): 1},
    "starlette": {
        ("/", "200"): 1,
        ("/items/{number:int}", "200"): 1,
        ("/a/{name}/b/x/{number:int}", "200"): 1,
        ("/a/{name}/b/y/{number:int}", "200"): 1,
        ("none", "404"): 2,
    },
    "quart": {
        ("/items/<int:number>", "200"): 1,
        ("/broken", "500"): 1,
        ("/feed/<name>", "101"): 1,
        ("none", "404"): 1,
    },
    "litestar": {("/items/{number}", "200"): 1, ("none", "404"): 1},
    "django_wsgi": DJANGO,
    "django_asgi": DJANGO,
    "bare_asgi": {("none", "200"): 1},
    "bare_wsgi": {("none", "200"): 1},
}


@functools.cache
def counted():
    """Return the requests that each application counted, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.telemetry.framework_apps"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("framework", COUNTS)
def test_routes_are_templates_with_the_prefix_of_mounts(framework):
    counts = counted()[framework]
    if counts is None:
        pytest.skip(f"{framework} is not installed")
    assert {(route, status): count for route, status, count in counts} == COUNTS[framework]


def wsgi(environ, start_response):
    """An application."""


async def asgi(scope, receive, send):
    """An application."""


def asgi_called_by_a_function(scope, receive, send):
    return asgi(scope, receive, send)


def of_one_argument(scope):
    """Be an application of ASGI 2, or none."""


class Wsgi:
    def __call__(self, environ, start_response):
        pass


class Asgi:
    async def __call__(self, scope, receive, send):
        pass

    async def method(self, scope, receive, send):
        pass


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (wsgi, "wsgi"),
        (Wsgi(), "wsgi"),
        (functools.partial(asgi_called_by_a_function, None), "wsgi"),
        (lambda *_: [], "wsgi"),
        (asgi, "asgi"),
        (Asgi(), "asgi"),
        (Asgi().method, "asgi"),
        (functools.partial(asgi), "asgi"),
        (asgi_called_by_a_function, "asgi"),
    ],
)
def test_the_interface_of_a_callable_is_recognised(app, interface):
    assert frameworks.interface(app) == interface


class WithServer:
    server = Wsgi()


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (42, "an object of builtins.int"),
        (Wsgi, "the class Wsgi.*, not its class"),
        (lambda: None, "the function <lambda>.*, not the function that makes it"),
        (of_one_argument, "the function of_one_argument"),
        (WithServer(), "WithServer.*; pass its attribute 'server'"),
        (None, "an object of builtins.NoneType"),
    ],
)
def test_what_is_no_application_is_told_in_one_sentence(app, reason):
    with pytest.raises(BadInput, match=reason) as caught:
        frameworks.interface(app)
    assert "\n" not in str(caught.value)


def test_an_instrumented_application_is_known_and_its_wrapper_is_not():
    def app(environ, start_response):
        pass

    frameworks.remember(app, "telemetry")

    @functools.wraps(app)
    def wrapper(environ, start_response):
        return app(environ, start_response)

    assert frameworks.instrumentation_of(app) == "telemetry"
    assert frameworks.instrumentation_of(wrapper) is None


def test_telemetry_imports_nothing_but_the_standard_library():
    """The packages of the user's own application are all that it needs."""
    program = (
        "import sys; before = set(sys.modules); import firedrill.telemetry;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before}"
        " - sys.stdlib_module_names - {'firedrill', '__mp_main__'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
