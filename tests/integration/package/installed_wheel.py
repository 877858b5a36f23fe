"""Build the sdist and the wheel, and install them without a network."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from importlib.metadata import version
from pathlib import Path

from firedrill import places
from tests import required_programs

PINNED = sysconfig.get_path("purelib")
"""The packages of this environment; PYTHONPATH leaves out its editable install of the checkout."""

SOURCES = (
    "MANIFEST.in",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "setup.py",
    "requirements.txt",
    "docker-compose.yml",
    ".env",
    ".dockerignore",
    "secrets/README.md",
    "api",
    "exporters",
    "firedrill",
    "grafana",
    "load",
    "prometheus",
)


def build(folder):
    """Build the sdist of a copy of the checkout, and the wheel from it; return both."""
    if int(version("setuptools").partition(".")[0]) < 77:
        required_programs.skip_for_want_of("setuptools 77 (requirements-dev.txt)")
    copy = folder / "copy"
    for name in SOURCES:
        source, target = places.ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    sdist = _build("sdist", copy, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    return sdist, _build("wheel", next((folder / "unpacked").iterdir()), folder)


def _build(kind, source, folder):
    script = f"import sys, setuptools.build_meta as b; b.build_{kind}(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", script, folder], cwd=source, check=True, capture_output=True
    )
    return next(folder.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind]))


def install(wheel, folder):
    """Install the wheel alone into a new environment; return the folder of its programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--no-deps", "--no-compile", wheel], check=True)
    return folder / "bin"


def environment(home, packages=PINNED):
    """Return the variables of a user with an own home, and the packages that are found."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "FIREDRILL_TOOLS": str(places.TOOLS),
        "PYTHONPATH": str(packages),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def files_below(folder):
    """Return every file below a folder with its time and size."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in Path(folder).rglob("*")
        if path.is_file()
    }
