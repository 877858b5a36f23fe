"""Puts the middleware around an application of any framework, and says what it can't take."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

from firedrill.errors import BadInput
from firedrill.telemetry.load_shedding import AsgiShedding, WsgiShedding
from firedrill.telemetry.middleware import routes
from firedrill.telemetry.middleware.asgi import AsgiMiddleware
from firedrill.telemetry.middleware.request_metrics import RequestMetrics
from firedrill.telemetry.middleware.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.telemetry.shared_cells import Cells

Interface = Literal["wsgi", "asgi"]


ATTRIBUTE = "_firedrill_telemetry"
"""Attribute of an instrumented application."""


def is_instance(app: object, module: str, name: str) -> bool:
    """Return whether `app` is of a class of a module, which need not be installed."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(app, kind)


def is_flask(app: object) -> bool:
    """Return whether `app` is a Flask application."""
    return is_instance(app, "flask", "Flask")


def name(app: Any) -> str:
    """Return a name that an application has in each of its processes."""
    of_flask = getattr(app, "import_name", None)
    if isinstance(of_flask, str):
        return of_flask
    named = app if hasattr(app, "__qualname__") else type(app)
    return f"{named.__module__}.{named.__qualname__}"


def interface(app: Any) -> Interface:
    """Return by which interface an application is called.

    Raises BadInput for an object that no server could call.
    """
    if callable(app) and not isinstance(app, type):
        if takes(app, 3) and (is_coroutine_function(app) or not takes(app, 2)):
            return "asgi"
        if takes(app, 2) and not is_coroutine_function(app):
            return "wsgi"
    raise BadInput(
        f"instrument() got {description(app)};"
        " expected an application: of Flask, Django, FastAPI, Starlette, Quart or Litestar,"
        f" or a WSGI or ASGI callable{advice(app)}"
    )


def takes(app: Callable[..., Any], count: int) -> bool:
    """Return whether a callable takes so many positional arguments; True if it does not tell."""
    try:
        inspect.signature(app).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        return count == 2
    return True


def is_coroutine_function(app: Any) -> bool:
    """Return whether calling an application gives a coroutine, as far as it says so."""
    while isinstance(app, partial):
        app = app.func
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(
        getattr(app, "__call__", None)  # noqa: B004 -- the method itself is looked at
    )


def description(app: object) -> str:
    """Return what an object is, in a few words."""
    if isinstance(app, type):
        return f"the class {app.__name__}"
    if inspect.isroutine(app):
        return f"the function {app.__name__}"
    return f"an object of {type(app).__module__}.{type(app).__qualname__}"


def advice(app: Any) -> str:
    """Return what to pass instead, if it can be seen."""
    if isinstance(app, type):
        return ", not its class"
    if inspect.isroutine(app) and takes(app, 0):
        return ", not the function that makes it"
    for name in ("server", "wsgi_app", "asgi_app", "app"):
        if callable(getattr(app, name, None)):
            return f"; pass its attribute {name!r}"
    return ""


def install(
    app: Any,
    cells: Cells,
    serve: Callable[..., Any] | None = None,
    shed_after: float | None = None,
) -> Callable[..., Any]:
    """Measure an application; return what a server shall call.

    That is `app` itself, changed in place, where it is an application object of Flask, Quart,
    Starlette, FastAPI or Litestar. Any other callable stays as it is, and what is returned measures
    it. `serve` is called in place of a Flask application's `wsgi_app`. A request that waited for
    longer than `shed_after` seconds is refused. Raises BadInput for what is no application.
    """
    kind = interface(app)
    metrics = RequestMetrics(cells)
    routes.watch_frameworks()

    def measured(served: Any) -> Callable[..., Any]:
        """Return the middleware around an application: a request that is shed counts, too."""
        if shed_after is not None:
            shedding = WsgiShedding if kind == "wsgi" else AsgiShedding
            served = shedding(served, cells, shed_after)
        return (WsgiMiddleware if kind == "wsgi" else AsgiMiddleware)(served, metrics)

    if is_flask(app):
        app.wsgi_app = measured(serve or app.wsgi_app)
    elif is_instance(app, "quart", "Quart"):
        app.asgi_app = measured(app.asgi_app)
    elif is_instance(app, "litestar", "Litestar"):
        app.asgi_handler = measured(app.asgi_handler)
    elif is_instance(app, "starlette.applications", "Starlette"):
        install_in_starlette(app, measured)
    else:
        return measured(app)
    return cast("Callable[..., Any]", app)


def install_in_starlette(app: Any, measured: Callable[[Any], Callable[..., Any]]) -> None:
    """Put the middleware outside of all others, whenever Starlette builds its stack of them."""
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: measured(build())
    if app.middleware_stack is not None:
        app.middleware_stack = measured(app.middleware_stack)


def instrumentation_of(app: Any) -> object:
    """Return what was remembered of an application, None if it is not instrumented."""
    remembered = getattr(_keeper(app), "__dict__", {}).get(ATTRIBUTE)
    # A wrapper of a function copies its attributes.
    return remembered[1] if remembered is not None and remembered[0] is app else None


def remember(app: Any, instrumentation: object) -> None:
    """Keep the instrumentation of an application with it, if it has room for attributes."""
    with suppress(AttributeError, TypeError):
        setattr(_keeper(app), ATTRIBUTE, (app, instrumentation))
    if is_flask(app):
        app.extensions["firedrill"] = instrumentation


def _keeper(app: Any) -> Any:
    """Return the object that takes attributes: an application of Litestar takes none itself."""
    handler = getattr(app, "asgi_handler", None)
    return handler if isinstance(handler, AsgiMiddleware) else app
