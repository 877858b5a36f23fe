"""docs/performance.md says what the benchmarks are, and what they measured last."""

import re

from bench import document


def test_it_is_what_the_benchmarks_say_of_themselves_and_have_saved():
    assert document.DOCUMENT.read_text() == document.text(), "expected `python -m bench.document` after a change of a benchmark's words"


def test_every_benchmark_says_how_it_is_run_and_what_it_aims_at():
    for section in re.split(r"^## ", document.text(), flags=re.MULTILINE)[1:]:
        assert re.search(r"\bAims?:|\bAim\b", section), section
        assert re.search(r"Run: `python -m bench\.\w+`", section), section
