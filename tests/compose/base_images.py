"""Base images for the tests, made of Debian's packages, because registries may be unreachable."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from firedrill import places
from tests import required_programs
from tests.compose.docker_engine import docker

NAMES = {
    "PYTHON_IMAGE": "firedrill-test/python:3",
    "PROMETHEUS_IMAGE": "firedrill-test/prometheus:debian",
    "ALERTMANAGER_IMAGE": "firedrill-test/alertmanager:debian",
}
"""The images of `.env` that these replace, with Debian's Python, Prometheus and Alertmanager."""


def missing():
    """Return the names of the base images that the engine does not have."""
    have = docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    return [name for name in NAMES.values() if name not in have]


def make():
    """Make the missing base images.

    This downloads Debian's base system, and needs root.
    """
    if NAMES["PYTHON_IMAGE"] in missing():
        _make_python(NAMES["PYTHON_IMAGE"])
    if missing():
        _make_monitoring()


def _make_python(name):
    """Import Debian with Python, and with this machine's certificates, which pip may need."""
    if os.geteuid():
        required_programs.skip_for_want_of(
            f"the image {name}, which only root can make (debootstrap)"
        )
    with tempfile.TemporaryDirectory(prefix="firedrill-base-") as folder:
        packages = "python3,python3-venv,python3-pip,ca-certificates"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            required_programs.skip_for_want_of(
                f"the image {name}: debootstrap failed: {made.stdout.strip().splitlines()[-1:]}"
            )
        certificates = Path("/etc/ssl/certs/ca-certificates.crt")
        shutil.copy(certificates, f"{folder}{certificates}")
        tar = subprocess.Popen(
            ["tar", "-C", folder, "--exclude=./var/cache/apt/archives/*.deb", "-c", "."],
            stdout=subprocess.PIPE,
        )
        docker("import", "-c", f"ENV PIP_CERT={certificates}", "-", name, stdin=tar.stdout)
        assert tar.wait() == 0


def _make_monitoring():
    """Build images with Debian's programs where the upstream images have theirs."""
    with tempfile.TemporaryDirectory(prefix="firedrill-monitoring-") as folder:
        context = Path(folder)
        for program in ("prometheus", "promtool", "prometheus-alertmanager", "amtool"):
            shutil.copy(required_programs.require(program), context / program)
        for template in _templates():
            shutil.copy(template, context)
        for program in ("prometheus", "alertmanager"):
            (context / "Dockerfile").write_text(
                f"FROM {NAMES['PYTHON_IMAGE']}\n"
                "COPY prometheus promtool amtool /bin/\n"
                "COPY prometheus-alertmanager /bin/alertmanager\n"
                "COPY *.tmpl /usr/share/prometheus/alertmanager/\n"
                "RUN mkdir /prometheus /alertmanager "
                "&& chown 65534:65534 /prometheus /alertmanager\n"
                f'ENTRYPOINT ["/bin/{program}"]\n'
            )
            docker("build", "-q", "-t", NAMES[f"{program.upper()}_IMAGE"], folder)


def _templates():
    """Return Alertmanager's templates, which Debian's build reads from a fixed path."""
    place = Path("usr/share/prometheus/alertmanager")
    return next(
        files
        for root in (places.TOOLS, Path("/"))
        if (files := list((root / place).glob("*.tmpl")))
    )
