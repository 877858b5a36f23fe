"""Measure the web application of this interpreter, whose code knows nothing of it.

Python imports this module when it starts, because its folder is on PYTHONPATH. It waits until a
framework or a server is imported, and instruments each application when a server gets it, or when
it is called for the first time. It then runs the user's own sitecustomize. Whatever fails here is
one line on standard error, and the program goes on. It parses on Python 3.7, imports little, and
nothing of ours before there is an application.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
"""The folder of the package `firedrill`."""
HOOKED = "_firedrill_hooked"
"""Attribute of a framework's class whose objects are instrumented at their first call."""
DEEPEST = 10
"""Middlewares around an application that are looked through."""

_said: set[str] = set()


def say(text: str) -> None:
    """Print a line on standard error, once in each process."""
    if text in _said:
        return
    _said.add(text)
    try:
        sys.stderr.write(f"firedrill: {text}\n")
    except Exception:
        return


def instrumented(app: Any) -> Any:
    """Return what a server shall call for this application; the application itself if it fails.

    An application object of a framework is changed in place, any other callable is wrapped.
    """
    try:
        from firedrill.telemetry import instrument

        inner = _framework_inside(app)
        telemetry: Any = instrument(app if inner is None else inner)
    except Exception as error:
        say(f"the application is not measured: {type(error).__name__}: {error}")
        return app
    return telemetry if inner is None and callable(telemetry) else app


def _framework_inside(app: Any) -> Any:
    """Return the application object of a hooked framework in an application, or None."""
    for _ in range(DEEPEST):
        if getattr(type(app), HOOKED, False):
            return app
        app = getattr(app, "app", None) or getattr(app, "application", None)
    return None


def hook_first_call(kind: Any) -> None:
    """Instrument each object of a framework's class when it is called for the first time."""
    call = kind.__call__

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        if HOOKED not in getattr(self, "__dict__", {}):
            try:
                self.__dict__[HOOKED] = True
            except Exception:
                return call(self, *args, **kwargs)
            instrumented(self)
        return call(self, *args, **kwargs)

    kind.__call__ = called
    setattr(kind, HOOKED, True)


def hook_result(owner: Any, name: str) -> None:
    """Instrument the application that a function returns."""
    function = getattr(owner, name)

    def changed(*args: Any, **kwargs: Any) -> Any:
        return instrumented(function(*args, **kwargs))

    setattr(owner, name, changed)


def hook_argument(owner: Any, name: str, at: int, keyword: str) -> None:
    """Instrument the application that a function takes as an argument."""
    function = getattr(owner, name)

    def changed(*args: Any, **kwargs: Any) -> Any:
        if keyword in kwargs:
            kwargs[keyword] = instrumented(kwargs[keyword])
        elif at < len(args):
            args = (*args[:at], instrumented(args[at]), *args[at + 1 :])
        return function(*args, **kwargs)

    setattr(owner, name, changed)


def hook_uvicorn(module: Any) -> None:
    """Instrument the application that uvicorn has loaded."""
    load = module.Config.load

    def changed(self: Any) -> None:
        load(self)
        self.loaded_app = instrumented(self.loaded_app)

    module.Config.load = changed


HOOKS: dict[str, Callable[[Any], None]] = {
    "flask.app": lambda module: hook_first_call(module.Flask),
    "quart.app": lambda module: hook_first_call(module.Quart),
    "starlette.applications": lambda module: hook_first_call(module.Starlette),
    "litestar.app": lambda module: hook_first_call(module.Litestar),
    "django.core.wsgi": lambda module: hook_result(module, "get_wsgi_application"),
    "django.core.asgi": lambda module: hook_result(module, "get_asgi_application"),
    "gunicorn.app.base": lambda module: hook_result(module.BaseApplication, "wsgi"),
    "uvicorn.config": hook_uvicorn,
    "waitress.server": lambda module: hook_argument(module, "create_server", 0, "application"),
    "werkzeug.serving": lambda module: hook_argument(module, "make_server", 2, "app"),
    "wsgiref.simple_server": lambda module: hook_argument(
        module.WSGIServer, "set_app", 1, "application"
    ),
}
"""What is done with a module after its import, by name."""


class Finder(importlib.abc.MetaPathFinder):
    """Let the others find a module, and hook it when it is executed."""

    def __init__(self) -> None:
        self._finding: set[str] = set()

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> Any:
        """Return the spec of a module that is to be hooked, else None."""
        if fullname not in HOOKS or fullname in self._finding:
            return None
        self._finding.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
            if spec is not None and spec.loader is not None:
                spec.loader = Loader(spec.loader)
        except Exception:
            return None  # whoever imports it gets the error of the other finders
        else:
            return spec
        finally:
            self._finding.discard(fullname)


class Loader(importlib.abc.Loader):
    """Load a module by its own loader, and hook it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        """Return what the module's own loader creates."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, give it its own loader back, and hook it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            HOOKS[module.__name__](module)
        except Exception as error:
            say(f"{module.__name__} is not hooked: {type(error).__name__}: {error}")


class OurPackage(importlib.abc.MetaPathFinder):
    """Find `firedrill`, and nothing beside it, where the program's environment lacks it."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> Any:
        """Return the spec of the package that this file belongs to."""
        if fullname != "firedrill":
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, [ROOT])


def install() -> None:
    """Hook what will be imported."""
    if sys.version_info < (3, 11):
        say("this Python is not measured; expected 3.11 or later")
        return
    sys.meta_path.insert(0, Finder())
    sys.meta_path.append(OurPackage())


def run_hidden_sitecustomize() -> None:
    """Run the sitecustomize that this one hides, as Python would have done."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    try:
        install()
    except Exception as error:
        say(f"nothing is measured: {type(error).__name__}: {error}")
    run_hidden_sitecustomize()
