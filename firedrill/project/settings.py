"""The settings of a project: firedrill.toml, which gives `firedrill run` its options."""

from __future__ import annotations

import io
import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError
from ruamel.yaml import YAML

from firedrill import atomic_file
from firedrill.errors import BadInput
from firedrill.profile import profile_file
from firedrill.profile_form import Form, SloForm, Text, nearest, read_document, value_complaint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

FILE = "firedrill.toml"


class Settings(Form):
    """The keys of firedrill.toml; what is not given is left to the command line's defaults."""

    target: Text | None = None
    """Base URL of an API that runs already."""
    serve: Text | None = None
    """Command that serves the API, instead of a target."""
    profile: Text | None = None
    """A bundled profile's name, or a file."""
    locustfile: Text | None = None
    rules: list[Text] = Field(default=[])
    scrape: list[Text] = Field(default=[])
    """Metrics endpoints, as `--scrape` takes them."""
    workers: int | None = Field(default=None, ge=1, le=64)
    slo: SloForm | None = None
    """Replaces the objectives of the profile."""

    def options(self) -> dict[str, Any]:
        """Return the parameters of `firedrill run` that the file sets."""
        chosen = {
            "target": self.target,
            "serve": self.serve,
            "profile": self.profile,
            "locustfile": self.locustfile,
            "rules": self.rules or None,
            "scrapes": self.scrape or None,
            "workers": self.workers,
        }
        return {name: value for name, value in chosen.items() if value is not None}


def read(file: Path) -> Settings:
    """Read a firedrill.toml.

    Raises:
        BadInput: it cannot be read, is no TOML, or has a key or value that means nothing.
    """
    document, text = _parse(file)
    try:
        return Settings.model_validate(document)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        # A mistyped key first: the others may be its consequences.
        error = min(errors, key=lambda error: error["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in error["loc"])
        line = _line(text, error["loc"])
        raise BadInput(f"{file}:{line}: {place} {_complaint(error)}") from invalid


def _parse(file: Path) -> tuple[dict[str, Any], str]:
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: no text; expected TOML") from error
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = found[1] if found else text.count("\n") + 1
        raise BadInput(f"{file}:{line}: {what}; expected well-formed TOML") from error


def _complaint(error: ErrorDetails) -> str:
    if error["type"] != "extra_forbidden":
        return value_complaint(error)
    form = SloForm if error["loc"][0] == "slo" else Settings
    known = [field.alias or name for name, field in form.model_fields.items()]
    return f"is no key{nearest(str(error['loc'][-1]), known)}"


def _line(text: str, location: Sequence[str | int]) -> int:
    """Return the line of the deepest part of a location that the text names, from 1."""
    line, lines = 1, text.splitlines()
    for key in location:
        if not isinstance(key, str):
            break
        name = rf"[\"']?{re.escape(key)}[\"']?"
        pattern = re.compile(rf"^\s*\[?(?:[\w\"'. /]+\.)?{name}\s*[\]=.]|[{{,]\s*{name}\s*=")
        found = [
            number
            for number, content in enumerate(lines, start=1)
            if number >= line and pattern.search(content)
        ]
        if not found:
            break
        line = found[0]
    return line


def profile_with_slo(profile: str, file: Path, folder: Path) -> Path:
    """Write a profile with the objectives of a firedrill.toml into a folder; return its file.

    Raises:
        BadInput: the profile or the settings cannot be read.
    """
    source = profile_file(profile)
    document = read_document(source)
    document.root["slo"] = _parse(file)[0]["slo"]
    target, text = folder / f"{source.stem}.yaml", io.StringIO()
    YAML().dump(document.root, text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_file.write(target, text.getvalue())
    except OSError as error:
        raise BadInput(f"{target}: {error.strerror}; expected a folder to write to") from error
    return target
