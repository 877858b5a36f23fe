"""The catch_response block of an answered request, which is reported when the block is left, and lost where it never is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def block_class(lose: Callable[[], None], base: Any) -> type:
    """Subclass of a response that calls `lose` when it is dropped without having been reported."""

    class Block(base):  # type: ignore[misc]
        _is_unreported = True

        def _report_request(self, *args: Any) -> None:
            self._is_unreported = False
            super()._report_request(*args)

        def __exit__(self, *exception: object) -> Any:
            try:
                return super().__exit__(*exception)
            finally:
                self.__del__()

        def __del__(self) -> None:
            if self._is_unreported:
                self._is_unreported = False
                lose()

    Block.__name__ = Block.__qualname__ = base.__name__
    return Block
