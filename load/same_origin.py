"""Locust's page takes orders from anybody who can post to it. A page of another origin, open in the same browser, can. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_foreign(origin: str | None, host: str | None) -> bool:
    """Whether a browser sent a request with these headers for a page that is not this server's. Programs send no Origin."""
    return origin is not None and urlsplit(origin).netloc != host
