"""The wheel is the product: every command works from it, in an empty folder."""

import json
import re
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from firedrill import places
from firedrill.processes import ports, programs
from firedrill.profile import bundled_profiles
from tests import firedrill_process, required_programs
from tests.integration.package import installed_wheel

MOST_BYTES = 3_000_000


@dataclass
class Installed:
    """An installed wheel, and a user's home and empty folder."""

    sdist: Path
    wheel: Path
    programs: Path
    home: Path

    def call(self, *words):
        """Run a program of the environment in an empty folder; return what it printed."""
        folder = self.home / "empty"
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [self.programs / words[0], *words[1:]],
            cwd=folder,
            env=installed_wheel.environment(self.home),
            capture_output=True,
            text=True,
            check=False,
        )

    def python(self, script):
        """Run a script; return its last line as JSON."""
        done = self.call("python", "-c", script)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    sdist, wheel = installed_wheel.build(folder)
    (folder / "home").mkdir()
    return Installed(sdist, wheel, installed_wheel.install(wheel, folder / "venv"), folder / "home")


def test_wheel_and_sdist_are_small(installed):
    assert installed.wheel.stat().st_size < MOST_BYTES
    assert installed.sdist.stat().st_size < MOST_BYTES


def test_the_wheel_holds_every_module(installed):
    held = set(zipfile.ZipFile(installed.wheel).namelist())
    folders = {
        places.PACKAGE: "firedrill",
        places.LOAD: "firedrill_load",
        places.EXPORTER: "locust_exporter",
        places.ROOT / "api": "firedrill/bundle/api",
        places.PROMETHEUS / "rules": "firedrill/bundle/prometheus/rules",
        places.GRAFANA: "firedrill/bundle/grafana",
    }
    wanted = {
        f"{name}/{path.relative_to(folder)}"
        for folder, name in folders.items()
        for suffix in ("py", "yml", "yaml", "json", "html", "css", "js", "sh")
        for path in folder.rglob(f"*.{suffix}")
    }
    assert wanted - held == set()


def test_the_wheel_holds_nobodys_files(installed):
    held = zipfile.ZipFile(installed.wheel).namelist()
    assert [name for name in held if re.search(r"/(yours|secrets)/(?!README)", name)] == []


def test_profiles_and_files_are_found_in_the_wheel(installed):
    script = (
        "import json\nfrom firedrill import places, profile\n"
        "files = [v for v in vars(places).values() if isinstance(v, places.Path)]\n"
        "missing = [str(file) for file in files if not file.exists()]\n"
        "print(json.dumps([sorted(profile.bundled_profiles()), missing]))"
    )
    profiles, missing = installed.python(script)
    assert profiles == sorted(bundled_profiles())
    assert [name for name in missing if name != str(places.TOOLS)] == []


def test_the_compose_project_of_the_wheel_is_whole(installed):
    folder = Path(
        installed.python(
            "import json\nfrom firedrill.stack.containers import compose_folder\n"
            "print(json.dumps(str(compose_folder.find())))"
        )
    )
    assert folder.is_relative_to(installed.home)
    services = YAML(typ="safe").load(folder / "docker-compose.yml")["services"].values()
    mounted = {
        volume.partition(":")[0]
        for service in services
        for volume in service.get("volumes", ())
        if volume.startswith("./")
    }
    dockerfiles = {service["build"]["dockerfile"] for service in services if "build" in service}
    copied = {
        source
        for name in dockerfiles
        for source in re.findall(r"^COPY (?!--)(\S+)", (folder / name).read_text(), re.MULTILINE)
    }
    assert mounted
    assert copied
    assert [name for name in (*mounted, *copied) if not (folder / name).exists()] == []


@pytest.mark.parametrize("command", ["doctor", "setup", "runs"])
def test_commands_work_in_an_empty_folder(installed, command):
    for name in programs.PACKAGES:
        required_programs.require(name)
    done = installed.call("firedrill", command)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_from_the_wheel_leaves_the_installation_alone(installed):
    required_programs.require("prometheus")
    before = installed_wheel.files_below(installed.programs.parent / "lib")
    options = [
        word
        for option in firedrill_process.PORT_OPTIONS
        for word in (option, str(ports.any_free()))
    ]
    done = installed.call("firedrill", "run", "smoke", "--json", *options)
    document = json.loads(done.stdout)
    assert document["profile"]["name"] == "smoke"
    assert document["figures"]["counts"]["client_requests"], done.stderr
    folder = next((installed.home / "empty" / "runs").iterdir())
    assert (folder / "report.html").is_file()
    assert installed_wheel.files_below(installed.programs.parent / "lib") == before
