"""Programs such as Prometheus: find them, or unpack them from Debian's packages."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill import places
from firedrill.errors import Missing
from firedrill.processes import command

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "alertmanager": "prometheus-alertmanager",
}
"""The Debian package of each program that the set-up can take."""

DEBIAN_CALLS = {"alertmanager": "prometheus-alertmanager"}
"""A program's name in Debian, where it has another one."""

OPTIONAL = {"alertmanager"}
"""Programs that Firedrill works without."""

UNPACKED = places.TOOLS / "usr" / "bin"

HOW_TO_GET = (
    "run `firedrill setup` on Debian or Ubuntu, or put it on PATH (https://prometheus.io/download/)"
)


def find(name: str) -> Path | None:
    """Return a program on PATH, else one that the set-up unpacked; None if there is none."""
    found = (
        shutil.which(name)
        or shutil.which(DEBIAN_CALLS.get(name, name))
        or shutil.which(name, path=str(UNPACKED))
    )
    return Path(found) if found else None


def need(name: str) -> Path:
    """Return a program.

    Raises:
        Missing: it is not there; the message says how to get it.
    """
    found = find(name)
    if found is None:
        raise Missing(f"{name} is neither on PATH nor in {places.TOOLS}: {HOW_TO_GET}")
    return found


def get_missing() -> list[str]:
    """Unpack Debian's packages of the missing programs into places.TOOLS; return the packages.

    Needs no root and changes nothing outside that folder.

    Raises:
        Missing: this system has no apt, apt could not deliver, or the folder cannot be written.
    """
    missing = {program for program in PACKAGES if find(program) is None}
    packages = sorted({PACKAGES[program] for program in missing})
    if packages and not (shutil.which("apt-get") and shutil.which("dpkg")):
        if missing <= OPTIONAL:
            return []
        raise Missing(
            f"{', '.join(packages)} missing, and this system has no apt-get to take them from: "
            "put them on PATH (https://prometheus.io/download/)"
        )
    for package in packages:
        take(package)
    if "alertmanager" in missing:
        relocate_alertmanager()
    for scratch in ("lists", "cache"):
        shutil.rmtree(places.TOOLS / "apt" / scratch, ignore_errors=True)
    return packages


def take(package: str) -> None:
    """Download a Debian package and unpack it into places.TOOLS.

    Raises:
        Missing: apt or dpkg could not deliver it.
    """
    try:
        _unpack(_download(package))
    except OSError as error:
        raise Missing(
            f"{error.filename or places.TOOLS}: {error.strerror}; expected a folder to unpack "
            f"{package} into (FIREDRILL_TOOLS moves it)"
        ) from error


def relocate_alertmanager() -> None:
    """Make a copy of Debian's unpacked Alertmanager that runs without being installed.

    Debian's program reads its templates from an absolute path, whatever its options say, and does
    not start without them. In the copy that path is relative to the folder it is started in,
    places.TOOLS, and has the same length.
    """
    installed = b"/usr/share/prometheus/alertmanager"
    copy = UNPACKED / "alertmanager"
    copy.write_bytes(
        (UNPACKED / DEBIAN_CALLS["alertmanager"])
        .read_bytes()
        .replace(installed, installed[1:] + b"/")
    )
    copy.chmod(0o755)


def _download(package: str) -> Path:
    folder = places.TOOLS / "apt"
    folder.mkdir(parents=True, exist_ok=True)
    attempts = (
        _apt("download", package),
        _apt_with_own_lists("update"),
        _apt_with_own_lists("download", package),
    )
    # Most machines have apt's lists. A bare container has none, and only root could fill them.
    if _succeeds(attempts[0], folder) or (
        _succeeds(attempts[1], folder) and _succeeds(attempts[2], folder)
    ):
        found = sorted(folder.glob(f"{package}_*.deb"))
        if found:
            return found[-1]
    raise Missing(
        f"apt could not download the package {package} (see {folder / 'apt.log'}): {HOW_TO_GET}"
    )


def _apt(*words: str) -> list[str]:
    return ["apt-get", "-q", *words]


def _apt_with_own_lists(*words: str) -> list[str]:
    own = places.TOOLS / "apt"
    (own / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    options = (
        f"Dir::State::lists={own / 'lists'}",
        f"Dir::Cache={own / 'cache'}",
        "APT::Sandbox::User=",
    )
    return ["apt-get", "-q", *(word for option in options for word in ("-o", option)), *words]


def _succeeds(words: Sequence[str], folder: Path) -> bool:
    done = command.run(words, {"LC_ALL": "C"}, folder=folder, patience_seconds=math.inf)
    with (folder / "apt.log").open("a") as log:
        log.write(done.stdout + done.stderr)
    return done.returncode == 0


def _unpack(archive: Path) -> None:
    done = command.run(["dpkg", "-x", archive, places.TOOLS], patience_seconds=math.inf)
    if done.returncode:
        raise Missing(f"{archive} could not be unpacked: {done.stderr.strip()}")
    archive.unlink()


def version(program: Path) -> str:
    """Return the version that a program prints of itself, `unknown` if it prints none."""
    printed = command.run([program, "--version"])
    words = (printed.stdout + printed.stderr).split()
    return words[words.index("version") + 1] if "version" in words[:-1] else "unknown"
