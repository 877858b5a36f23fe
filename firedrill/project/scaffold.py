"""The first files of a project's load test, written by `firedrill init`. Nothing is overwritten."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from firedrill.errors import BadInput
from firedrill.project import locustfile, settings
from firedrill.stack.containers import compose_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.project.openapi import Route

FOLDER = "loadtest"
LOCUSTFILE = f"{FOLDER}/locustfile.py"
PROFILE = f"{FOLDER}/first.yaml"
STACK = "firedrill-stack"

PROFILE_TEXT = """\
# A first load: five users, then twenty. docs/profiles.md of Firedrill has every key.
name: first
title: First load - 5 users, then 20
steps:
  - {start_time: 0s, users: 5, spawn_rate: 5}
  - {start_time: 15s, users: 20, spawn_rate: 5}
duration: 45s
warmup: 3s
# firedrill.toml has the objectives.
"""

SETTINGS_TEXT = """\
# The load test of this project: `firedrill run` reads this file. Options of the command come first.

{api}

# How many users, and when; or the name of a bundled profile, such as "smoke" or "launch".
profile = "{profile}"

# What the users do.
locustfile = "{locustfile}"

# Alert rules to evaluate during the load, and your API's metrics endpoints.
rules = []
scrape = []  # such as ["127.0.0.1:9464/metrics"]

# The verdict is FAILED if one of these is broken.
[slo]
p99 = "500ms"
errors = "1%"
starved_users = 0
"""

TARGET_TEXT = """\
# Your API, started by you{started}.
# Instead of `target`, `serve = "COMMAND"` starts it for the run (docs/project.md).
target = {target}"""

SERVE_TEXT = """\
# Starts your API for the run, and ends it afterwards.
# Instead of `serve`, `target = {target}` loads an API that runs already (docs/project.md).
serve = {serve}"""


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the project, and whether it was written or was there before."""

    path: str
    is_new: bool


def files(
    target: str, command: str | None, routes: Sequence[Route], *, serve: str | None = None
) -> dict[str, str]:
    """Return the text of each file by its path in the project.

    Args:
        target: The API's base URL.
        command: The command with which the user starts it, for a comment.
        routes: What the users request.
        serve: The command that firedrill.toml starts, instead of a target.
    """
    shown = "".join(filter(str.isprintable, command or ""))
    url = json.dumps(target, ensure_ascii=False)
    if serve:
        api = SERVE_TEXT.format(target=url, serve=json.dumps(serve))
    else:
        api = TARGET_TEXT.format(target=url, started=f": {shown}" if shown else "")
    return {
        settings.FILE: SETTINGS_TEXT.format(
            api=api,
            profile=PROFILE,
            locustfile=LOCUSTFILE,
        ),
        LOCUSTFILE: locustfile.text(routes),
        PROFILE: PROFILE_TEXT,
    }


def write(root: Path, texts: Mapping[str, str]) -> Iterator[Written]:
    """Write the files that are not there yet.

    Raises:
        BadInput: a file cannot be written.
    """
    for name, text in texts.items():
        file = root / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError:
            yield Written(name, is_new=False)
        except OSError as error:
            raise BadInput(f"{file}: {error.strerror}; expected a folder to write to") from error
        else:
            yield Written(name, is_new=True)


def write_stack(root: Path, target: str) -> Written:
    """Write the Compose project, set to play the project's load; leave one that is there.

    Raises:
        BadInput: it cannot be written.
    """
    folder = root / STACK
    if folder.exists() or folder.is_symlink():
        return Written(STACK, is_new=False)
    try:
        compose_folder.write(folder)
        environment = folder / ".env"
        text = environment.read_text()
        for name, value in _variables(target).items():
            before, _, rest = text.partition(f"\n{name}=")
            text = f"{before}\n{name}={value}\n{rest.partition(chr(10))[2]}"
        environment.write_text(text)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}; expected a folder to write to") from error
    return Written(STACK, is_new=True)


def _variables(target: str) -> dict[str, str]:
    """Return the settings in .env that aim the load at the project's own API."""
    parts = urlsplit(target)
    inside = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    port = f":{parts.port}" if parts.port else ""
    url = f"{parts.scheme}://host.docker.internal{port}" if inside else target
    return {
        "LOAD_TARGET": url.replace("$", "$$"),
        "LOAD_YOURS": f"../{FOLDER}",
        "LOCUSTFILE": f"/yours/{Path(LOCUSTFILE).name},load/firedrill_plugin.py",
        "LOAD_PROFILE": f"/yours/{Path(PROFILE).name}",
    }
