"""Changes of other packages' classes, made when their module is imported: `when_imported`.

A server or a framework may be imported after the application was instrumented, or never.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from functools import wraps
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Hook = Callable[[ModuleType], None]

LOG = logging.getLogger("firedrill")


def when_imported(name: str, hook: Hook) -> None:
    """Call `hook` with the module `name`, now or after its first import.

    A hook that raises is logged at level debug; it never breaks the import.
    """
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        _call(hook, module)
        return
    _FINDER.hooks.setdefault(name, []).append(hook)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def _call(hook: Hook, module: ModuleType) -> None:
    try:
        hook(module)
    except Exception:
        LOG.debug("%s is not measured", module.__name__, exc_info=True)


class _Finder:
    """Finds no module itself: it lets the others find one that is awaited, and wraps its loader."""

    def __init__(self) -> None:
        self.hooks: dict[str, list[Hook]] = {}
        self._finding: set[str] = set()

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of an awaited module, else None."""
        if name not in self.hooks or name in self._finding:
            return None
        self._finding.add(name)
        try:
            spec = find_spec(name)
        finally:
            self._finding.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]  # it has what is used
        return spec


class _Loader:
    """Loads a module by its own loader, and calls the hooks that await it."""

    def __init__(self, loader: Loader, finder: _Finder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return what the module's own loader creates."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, give it its own loader back, and call the hooks."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        for hook in self._finder.hooks.pop(module.__name__, ()):
            _call(hook, module)


_FINDER: Any = _Finder()


def call_around(owner: type, name: str, around: Callable[..., Any]) -> None:
    """Replace a method by `around(method, self, ...)`, once however often it is asked."""
    method = getattr(owner, name)
    if hasattr(method, "firedrill_original"):
        return

    @wraps(method)
    def replaced(self: Any, *arguments: Any, **named: Any) -> Any:
        return around(method, self, *arguments, **named)

    replaced.firedrill_original = method  # type: ignore[attr-defined]
    setattr(owner, name, replaced)


def call_after(owner: type, name: str, note: Callable[..., None]) -> None:
    """Call `note(self, result, ...)` after each call of a method.

    What `note` raises is dropped: the method's caller is no part of the measurement.
    """

    def noted(method: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
        result = method(self, *arguments, **named)
        with suppress(Exception):
            note(self, result, *arguments, **named)
        return result

    call_around(owner, name, noted)


def call_before(owner: type, name: str, note: Callable[..., None]) -> None:
    """Call `note(self, ...)` before each call of a method; what it raises is dropped."""

    def noted(method: Callable[..., Any], self: Any, *arguments: Any, **named: Any) -> Any:
        with suppress(Exception):
            note(self, *arguments, **named)
        return method(self, *arguments, **named)

    call_around(owner, name, noted)
