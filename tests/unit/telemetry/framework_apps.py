"""A program: an application of each framework, measured and asked; prints what was counted.

It is a process of its own, because Django has one set of settings a process, and because Django's
and Quart's classes are changed where they are measured.
"""

# ruff: noqa: PLC0415 -- each application imports its own framework
import json
import sys
from contextlib import suppress

from firedrill.telemetry.middleware import frameworks
from tests.unit.telemetry.asgi_calls import call, scope_of
from tests.unit.telemetry.counted_requests import CountedRequests


def fastapi():
    """Included routers, mounts with parameters, mounted files, a websocket, pages of its own."""
    from fastapi import APIRouter, FastAPI, WebSocket

    app, shop, orders = FastAPI(), FastAPI(), APIRouter(prefix="/orders")
    app.get("/items/{number}")(lambda number: {"number": number})
    app.get("/broken")(lambda: 1 / 0)
    orders.get("/{number}")(lambda number: {"number": number})
    shop.get("/things/{number}")(lambda number: {"number": number})

    async def feed(websocket: WebSocket, name: str):
        await websocket.accept()
        await websocket.close()

    app.websocket("/feed/{name}")(feed)
    app.include_router(orders, prefix="/v1")
    app.mount("/tenants/{tenant}", shop)
    app.mount("/raw", bare_asgi())
    return app


def included_and_reached_by_root_path():
    """The prefix that a proxy strips is part of the route."""
    from fastapi import FastAPI

    app = FastAPI(root_path="/api")
    app.get("/items/{number}")(lambda number: {"number": number})
    return app


def starlette():
    """Mounts within mounts, and two routes of one endpoint."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def answer(_request):
        return PlainTextResponse("answer")

    inner = [Route("/x/{number:int}", answer), Route("/y/{number:int}", answer)]
    return Starlette(
        routes=[
            Route("/", answer),
            Route("/items/{number:int}", answer),
            Mount("/a/{name}", routes=[Mount("/b", routes=inner)]),
        ]
    )


def quart():
    """A rule, a websocket, and a handler that fails."""
    from quart import Quart, websocket

    app = Quart("sample")

    @app.get("/items/<int:number>")
    async def item(number):
        return str(number)

    @app.get("/broken")
    async def broken():
        raise ZeroDivisionError

    @app.websocket("/feed/<name>")
    async def feed(name):
        await websocket.accept()

    return app


def litestar():
    """A template with a typed parameter."""
    from litestar import Litestar, get

    @get("/items/{number:int}", sync_to_thread=False)
    def item(number: int) -> str:
        return str(number)

    return Litestar([item])


def django(kind):
    """A path and a regular expression, by WSGI or by ASGI."""
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import include, path, re_path

    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
        import django as package

        package.setup()
        answer = lambda *_, **__: HttpResponse("answer")  # noqa: E731 -- three lines of it
        globals()["urlpatterns"] = [
            path("items/<int:number>/", answer),
            path("api/", include([re_path(r"^old/(?P<slug>[^/]+)/$", answer)])),
        ]
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application() if kind == "wsgi" else get_asgi_application()


def bare_asgi():
    """An application without a router."""

    async def app(scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    return app


def bare_wsgi():
    """An application without a router."""

    def app(_environ, start_response):
        start_response("200 OK", [])
        return [b""]

    return app


APPS = {
    "fastapi": (
        fastapi,
        [
            *("/items/1", "/items/2", "/v1/orders/7", "/tenants/acme/things/3"),
            *("/tenants/b/nowhere", "/raw/a/b", "/docs", "/nowhere", "/broken", "ws:/feed/a"),
        ],
    ),
    "root_path": (included_and_reached_by_root_path, ["/items/1", "/nowhere"]),
    "starlette": (starlette, ["/", "/items/1", "/a/n/b/x/1", "/a/m/b/y/2", "/a/m/b/z", "/items/x"]),
    "quart": (quart, ["/items/1", "/nowhere", "/broken", "ws:/feed/a"]),
    "litestar": (litestar, ["/items/1", "/nowhere"]),
    "django_wsgi": (lambda: django("wsgi"), ["/items/1/", "/api/old/a/", "/nowhere/"]),
    "django_asgi": (lambda: django("asgi"), ["/items/1/", "/api/old/a/", "/nowhere/"]),
    "bare_asgi": (bare_asgi, ["/items/1"]),
    "bare_wsgi": (bare_wsgi, ["/items/1"]),
}


def ask(app, path):
    """Send one request; an exception of the application is the server's business."""
    kind = "websocket" if path.startswith("ws:") else "http"
    first = [{"type": "websocket.connect"}] if kind == "websocket" else []
    with suppress(ZeroDivisionError):
        if frameworks.interface(app) == "asgi":
            call(app, scope_of(path.removeprefix("ws:"), kind=kind), *first)
        else:
            from werkzeug.test import EnvironBuilder, run_wsgi_app

            run_wsgi_app(app, EnvironBuilder(path).get_environ(), buffered=True)


def counts(make, paths):
    """Return the requests by route and status of a measured application.

    It is None where the framework is not installed.
    """
    try:
        app = make()
    except ModuleNotFoundError:
        return None
    counted = CountedRequests()
    served = frameworks.install(app, counted.cells)
    for path in paths:
        ask(served, path)
    return sorted(
        [route, status, count] for (_, route, status), count in counted.requests().items()
    )


if __name__ == "__main__":
    print(json.dumps({name: counts(*APPS[name]) for name in sys.argv[1:] or APPS}))
