"""A full disk is reported before the run or at its end; what was recorded stays, and nothing keeps
running.
"""

import os
import subprocess

import pytest

from tests import firedrill_process

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")


@pytest.fixture
def disk(tmp_path):
    """Return a function that mounts a disk of so many megabytes and returns its folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(megabytes):
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True
        )
        return folder

    yield mounted
    subprocess.run(["umount", "--lazy", folder], check=False)


def test_a_run_that_has_no_room_does_not_begin(disk, tmp_path):
    code, _, errors = firedrill_process.start(disk(1), "smoke").finish()
    assert code == 3
    assert "MB are free there; expected room for a run" in errors
    assert not list((tmp_path / "disk").iterdir())


def test_a_disk_that_fills_up_in_mid_run_is_named(disk, tmp_path):
    folder = disk(40)
    drill = firedrill_process.start(
        folder, firedrill_process.write_profile(tmp_path, users=5, seconds=60)
    )
    drill.wait_for_requests()
    fill(folder / "filling")
    drill.interrupt()
    code, _, errors = drill.finish()
    assert code == 3, errors
    assert errors.splitlines()[-1].endswith(
        "run.json: No space left on device; expected room for it"
    )
    assert "Traceback" not in errors
    assert not [file for file in drill.folder().iterdir() if "draft" in file.name]
    assert any((drill.folder() / "prometheus" / "data").iterdir()), (
        "what Prometheus had written stays"
    )
    assert drill.leftovers() == []


def fill(file):
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as open_file:
        try:
            while True:
                open_file.write(bytes(1 << 12))
        except OSError:
            pass
