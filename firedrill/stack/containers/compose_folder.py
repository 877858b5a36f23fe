"""The folder that Compose builds from: a checkout, or the files of the wheel laid out so."""

from __future__ import annotations

import functools
import shutil
from typing import TYPE_CHECKING

from firedrill import places
from firedrill.errors import Missing

if TYPE_CHECKING:
    from pathlib import Path


FILES = (".dockerignore", ".env", "docker-compose.yml", "requirements.txt", "secrets/README.md")
"""Files of the project's root. Nobody's secrets, locustfiles or targets are among them."""


@functools.cache
def find() -> Path:
    """Return the checkout; of an installed wheel, a copy of its files in the user's cache.

    Raises:
        Missing: the cache cannot be written.
    """
    if places.IS_CHECKOUT:
        return places.ROOT
    folder = places.cache() / "compose"
    try:
        write(folder)
    except OSError as error:
        raise Missing(
            f"{error.filename or folder}: {error.strerror}; expected a folder to write the Compose "
            "project to (XDG_CACHE_HOME moves it)"
        ) from error
    return folder


def write(folder: Path) -> None:
    """Write docker-compose.yml and all that it mounts and builds from into a folder.

    Raises:
        OSError: the folder cannot be written.
    """
    folders = {
        "api": places.ROOT / "api",
        "exporters/locust_exporter": places.EXPORTER,
        "firedrill": places.PACKAGE,
        "grafana": places.GRAFANA,
        "load": places.LOAD,
        "prometheus": places.PROMETHEUS,
    }
    for name, source in folders.items():
        ignored = shutil.ignore_patterns("__pycache__", "bundle", "extra*", "tests", "yours")
        shutil.copytree(source, folder / name, ignore=ignored, dirs_exist_ok=True)
    files = {
        **{name: places.ROOT / name for name in FILES},
        "load/yours/README.md": places.LOAD / "yours" / "README.md",
    }
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)
