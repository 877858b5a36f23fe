"""Classes of other packages are changed when they are imported, and imports never break."""

import subprocess
import sys

from firedrill.places import ROOT

PROGRAM = """
import sys
from firedrill.telemetry.import_hooks import when_imported

def fail(module):
    raise ZeroDivisionError

seen = []
when_imported("json.tool", fail)
when_imported("json.tool", lambda module: seen.append((module.__name__, hasattr(module, "main"))))
when_imported("os.path", lambda module: seen.append("at once"))
when_imported("no_such_module", fail)
print(seen)
import json.tool
print(seen, type(json.tool.__spec__.loader).__name__)
try:
    import no_such_module
except ModuleNotFoundError:
    print("not found")
"""


def test_hooks_run_after_an_import_and_never_break_it():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['at once']",
        "['at once', ('json.tool', True)] SourceFileLoader",
        "not found",
    ]
