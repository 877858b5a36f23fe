"""The route of a request: the template that its framework matched, with the prefix of its mounts.

Flask, Starlette, FastAPI and Litestar leave it where a middleware finds it. Django and Quart do
not, so `watch_frameworks` lets them note it. Every other request has the route `none`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from firedrill.telemetry.import_hooks import call_after, when_imported
from firedrill.telemetry.middleware.request_metrics import MEASURED, UNMATCHED_ROUTE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

ROUTE = "firedrill.route"
"""Key in the WSGI environment or the ASGI scope of the template that Django or Quart matched."""


def of_environ(environ: dict[str, Any]) -> str:
    """Return the route of a WSGI request, read before its response starts."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    template = environ.get(ROUTE) if rule is None else rule.rule
    return with_script_name(template, environ)


def with_script_name(template: str | None, environ: dict[str, Any]) -> str:
    """Return the template behind the path at which its application is mounted."""
    if template is None:
        return UNMATCHED_ROUTE
    prefix = environ.get("SCRIPT_NAME")
    if not prefix:
        return template
    # WSGI hands bytes over as Latin-1.
    return (
        str(prefix).encode("latin-1", "replace").decode("utf-8", "replace").rstrip("/") + template
    )


def of_exception(error: BaseException, environ: dict[str, Any]) -> str:
    """Return the route of a WSGI request whose exception left the application.

    Flask has popped its context by then, but the exception still holds it.
    """
    template = environ.get(ROUTE)
    step = error.__traceback__
    while step is not None and template is None:
        frame = step.tb_frame
        if frame.f_code.co_name == "wsgi_app" and frame.f_globals.get("__name__") == "flask.app":
            request = getattr(frame.f_locals.get("ctx"), "request", None)
            template = getattr(getattr(request, "url_rule", None), "rule", None)
        step = step.tb_next
    return with_script_name(template, environ)


def of_scope(scope: dict[str, Any], root_path: str) -> str:
    """Return the route of an ASGI request; `root_path` is the one with which it arrived."""
    template = scope.get(ROUTE) or scope.get("path_template")
    mounted = scope.get("root_path", "")[len(root_path) :]
    prefix = mounted
    router = scope.get("router")
    if router is not None:
        prefix, behind = innermost_mount(router.routes, mounted)
        template = template or starlette_template(scope, behind)
    return UNMATCHED_ROUTE if template is None else root_path.rstrip("/") + prefix + template


def innermost_mount(routes: Iterable[Any], path: str) -> tuple[str, Iterable[Any]]:
    """Return the template of the mounts that a path leads through, and the routes behind them."""
    if path:
        for mount in routes:
            inner: Any = getattr(mount, "routes", None)
            regex = getattr(mount, "path_regex", None)
            match = regex.match(f"{path}/") if regex is not None and inner is not None else None
            if match:
                rest = match.groupdict().get("path", "").strip("/")
                prefix, behind = innermost_mount(inner, f"/{rest}" if rest else "")
                return mount.path + prefix, behind
    return path, routes


def starlette_template(scope: dict[str, Any], routes: Iterable[Any]) -> str | None:
    """Return the template that Starlette or FastAPI matched, without its mounts.

    `routes` are those of the innermost application. Old versions note only the endpoint, and
    FastAPI notes a route without the prefix of the router that includes it.
    """
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return None
    included = scope.get("fastapi", {}).get("effective_route_context")
    for route in (
        getattr(included, "starlette_route", None),
        included,
        scope.get("route"),
        *routes,
    ):
        if getattr(route, "endpoint", None) is endpoint:
            path: str = route.path
            return path
    # What is mounted has no routes that we know: files, or an application of another framework.
    return None if getattr(endpoint, "routes", None) else "/{path}"


@cache
def django_template(route: str) -> str:
    """Return a route of Django's resolver as a template; a regular expression keeps its groups."""
    return "/" + re.sub(r"(?<!\[)\^|\\Z$|\$$", "", route).lstrip("/")


def watch_frameworks() -> None:
    """Let Django and Quart note the route of each measured request, once they are imported."""
    when_imported("django.core.handlers.base", watch_django)
    when_imported("quart.ctx", watch_quart)


def watch_django(module: ModuleType) -> None:
    """Note the route that Django's resolver matched."""

    def note(_handler: Any, match: Any, request: Any) -> None:
        note_route(getattr(request, "scope", None) or request.META, django_template(match.route))

    call_after(module.BaseHandler, "resolve_request", note)


def watch_quart(module: ModuleType) -> None:
    """Note the rule that Quart's map of URLs matched."""

    def note(context: Any, _none: None) -> None:
        rule = context.request_websocket.url_rule
        if rule is not None:
            note_route(context.request_websocket.scope, rule.rule)

    for context in (module.RequestContext, module.WebsocketContext):
        call_after(context, "match_request", note)


def note_route(place: dict[str, Any], template: str) -> None:
    """Keep the template of a measured request."""
    if MEASURED in place:
        place[ROUTE] = template
