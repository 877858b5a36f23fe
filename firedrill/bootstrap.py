"""The set-up of a checkout from a bare Python: .venv with the pinned packages, and the programs.

Run by the system's Python, with the standard library only:
`python3 -m firedrill.bootstrap [REQUIREMENTS]`. Needs no root and changes nothing outside .venv/
and .tools/.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

from firedrill import places
from firedrill.errors import FiredrillError, Missing
from firedrill.processes import command, programs

VENV = places.ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def bootstrap(requirements: Path) -> None:
    """Create .venv, install a requirements file and this checkout, and take missing programs.

    Raises:
        Missing: this Python is too old, or the packages could not be had.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever Python the system has, to say this in a line
        raise Missing(
            f"python {sys.version.split()[0]} is too old; expected 3.11 or later "
            "(make PYTHON=/path/to/python3.11 …)"
        )
    if not PYTHON.exists():
        _say("creating .venv")
        _make_venv()
    _say(f"installing {requirements.name} into .venv (about a minute)")
    # setuptools warns of editable installs whose packages lie in this folder; ours are meant to.
    quiet = {"PYTHONWARNINGS": "ignore"}
    _run(
        [
            PYTHON,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            requirements,
            "-e",
            places.ROOT,
        ],
        quiet,
    )
    for package in programs.get_missing():
        _say(f"took {package} from the system's package archive into .tools/")


def _make_venv() -> None:
    if importlib.util.find_spec("ensurepip"):
        _run([sys.executable, "-m", "venv", VENV])
        return
    # Debian keeps ensurepip in python3-venv, which only root can install; pip has its own package.
    _run([sys.executable, "-m", "venv", "--without-pip", VENV])
    programs.take("python3-pip-whl")
    wheels = sorted((places.TOOLS / "usr" / "share" / "python-wheels").glob("pip-*.whl"))
    _run([PYTHON, "-m", "pip", "install", "--quiet", "pip"], {"PYTHONPATH": str(wheels[-1])})


def _run(words: list[str | Path], environment: dict[str, str] | None = None) -> None:
    process = command.run(words, environment, patience_seconds=math.inf, captures=False)
    if process.returncode:
        raise Missing(f"`{' '.join(process.args)}` failed with exit code {process.returncode}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    try:
        bootstrap(Path(sys.argv[1] if len(sys.argv) > 1 else places.ROOT / "requirements.txt"))
    except FiredrillError as error:
        _say(f"firedrill: {error}")
        sys.exit(error.exit_code)
