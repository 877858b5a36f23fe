"""docs/performance.md is generated from the benchmarks and their last results."""

import re

from bench import performance_document


def test_the_document_is_generated_from_the_saved_benchmarks():
    assert performance_document.DOCUMENT.read_text() == performance_document.text(), (
        "expected `python -m bench.performance_document` after a change of a benchmark's words"
    )


def test_every_benchmark_states_its_command_and_its_aim():
    for section in re.split(r"^## ", performance_document.text(), flags=re.MULTILINE)[1:]:
        assert re.search(r"\bAims?:|\bAim\b", section), section
        assert re.search(r"Run: `python -m bench\.\w+`", section), section
