"""The build of the wheel: the packages, and the repository's folders as `firedrill/bundle`.

Everything else about the distribution is in pyproject.toml. An editable install uses the folders
where they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

PACKAGES = {
    "firedrill": "firedrill",
    "firedrill_load": "load",
    "locust_exporter": "exporters/locust_exporter",
}
"""Folder by top-level package. `api` is none: users often have an `api` of their own."""

DATA = {
    "firedrill": ["Dockerfile", *(f"**/*.{kind}" for kind in ("css", "html", "js", "proto"))],
    "firedrill_load": ["Dockerfile", "profiles/*.yaml", "yours/README.md"],
}

BUNDLE = (
    ".dockerignore",
    ".env",
    "api",
    "docker-compose.yml",
    "grafana",
    "prometheus",
    "requirements.txt",
    "secrets/README.md",
)
"""What `firedrill.places` finds below the repository's root, and in the wheel below `bundle`."""


class BuildWithBundle(build_py):
    """Copies the bundle beside the modules of `firedrill`."""

    def run(self) -> None:
        """Build the packages, then the bundle; an editable install has no need of a copy."""
        super().run()
        if not self.editable_mode:
            for name in BUNDLE:
                self._copy(ROOT / name, Path(self.build_lib) / "firedrill" / "bundle" / name)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "tests", "extra*")
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


setup(
    packages=[
        package
        for name, folder in PACKAGES.items()
        for package in (name, *(f"{name}.{part}" for part in find_packages(folder)))
    ],
    package_dir=PACKAGES,
    package_data=DATA,
    include_package_data=False,
    cmdclass={"build_py": BuildWithBundle},
)
