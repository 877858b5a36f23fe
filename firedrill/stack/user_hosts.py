"""The hosts that a locustfile's user classes name, read by a process of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill import contract
from firedrill.processes import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.interrupt import Interrupt

SCRIPT = """
import json, sys
from pathlib import Path
from locust.argument_parser import parse_locustfile_paths
from locust.util.load_locustfile import load_locustfile
hosts = {}
for file in parse_locustfile_paths([sys.argv[2]]):
    for name, user in load_locustfile(file)[0].items():
        if not user.abstract:
            hosts[name] = user.host
Path(sys.argv[1]).write_text(json.dumps(hosts))
"""


def read(locustfile: Path, interrupt: Interrupt | None = None) -> Mapping[str, str | None]:
    """Return the host of each class of users in a locustfile or folder, None for one without.

    A locustfile that cannot be loaded has none: the run says why.

    Raises:
        Interrupted: the user asked to stop first.
    """
    with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
        output = Path(folder) / "hosts.json"
        words: Sequence[str | Path] = [sys.executable, "-P", "-c", SCRIPT, output, locustfile]
        command.run(
            words,
            {"PYTHONDONTWRITEBYTECODE": "1", contract.RUN_ID_VARIABLE: ""},
            grace_seconds=1.0,
            interrupt=interrupt,
            folder=Path(os.curdir),
        )
        try:
            found = json.loads(output.read_text())
        except (OSError, ValueError):
            return {}
        return {
            str(name): host if isinstance(host, str) and host else None
            for name, host in found.items()
        }
