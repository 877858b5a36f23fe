"""Run the suite, and a test that failed once more by itself: `python -m tests.suite`.

A test that fails beside the others and passes alone depends on its neighbours or on the load of the
machine. It is named at the end, so that somebody mends it, and does not hide what else was found.
More than ten failures are not a matter of neighbours: they are not run again.
"""

import json
import subprocess
import sys
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest")
TESTS_FAILED = 1
"""pytest's exit code when tests ran and some failed."""
MOST_TO_REPEAT = 10
LAST_FAILED = Path(".pytest_cache") / "v" / "cache" / "lastfailed"


def main():
    """Run the tests, and return pytest's exit code of the last run."""
    code = subprocess.run((*PYTEST, "-n", "4", "tests"), check=False).returncode
    failed = _failed_tests() if code == TESTS_FAILED else []
    if not 0 < len(failed) <= MOST_TO_REPEAT:
        return code
    print(f"{len(failed)} failed; each is run once more, alone", flush=True)
    still_failing = [
        test for test in failed if subprocess.run((*PYTEST, "-q", test), check=False).returncode
    ]
    for test in failed:
        verdict = "failed again" if test in still_failing else "passed alone: mend it"
        print(f"{verdict}: {test}")
    return TESTS_FAILED if still_failing else 0


def _failed_tests():
    """Return what failed in the last run of pytest: tests, and files that it could not read."""
    return sorted(json.loads(LAST_FAILED.read_text()))


if __name__ == "__main__":
    sys.exit(main())
