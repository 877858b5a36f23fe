"""A check that a browser's request comes from Locust's own web page.

Locust's web page takes orders from anybody who can post to it, and a page of another origin that
is open in the same browser can.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def is_foreign(origin: str | None, host: str | None) -> bool:
    """Return whether a browser sent these headers for another server's page.

    Programs send no Origin.
    """
    return origin is not None and urlsplit(origin).netloc != host
