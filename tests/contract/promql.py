"""Find the series that a PromQL expression reads."""

import re

_NOISE = re.compile(
    r"""\#.*?$ | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*'   # comments and strings
    | \{[^}]*\} | \[[^\]]*\]                              # matchers and ranges
    | \b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)
    | \boffset\s+\w+ | \b\d[\w.]*""",
    re.VERBOSE | re.MULTILINE,
)
_NAME = re.compile(r"[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])")
_WORDS = {
    "and",
    "or",
    "unless",
    "bool",
    "by",
    "on",
    "ignoring",
    "without",
    "group_left",
    "group_right",
    "offset",
}


def series_read(expr):
    """Return the names of the series that an expression selects by name."""
    plain = _NOISE.sub(
        " ", _NOISE.sub(lambda match: " " if match[0][0] in "\"'#" else match[0], expr)
    )
    return {name for name in _NAME.findall(plain) if name not in _WORDS}
