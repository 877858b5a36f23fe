"""The middleware: it times every request and counts it by method, route and status.

`frameworks` puts it around an application, `wsgi` and `asgi` are its two kinds, `routes` names the
route of a request, and `request_metrics` writes the cells.
"""
