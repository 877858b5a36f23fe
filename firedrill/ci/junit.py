"""JUnit XML: a test suite for each run, a test case for each check."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from firedrill.ci.checks import Outcome, checks_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.ci.checks import Check
    from firedrill.record.run_document import RunDocument

TAGS = {Outcome.FAILED: "failure", Outcome.ERROR: "error", Outcome.SKIPPED: "skipped"}

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, even escaped."""


def text_of(documents: Iterable[RunDocument]) -> str:
    """Return the XML document of these runs.

    A broken objective is a failure. A measurement that is not valid is an error.
    """
    suites = ET.Element("testsuites", name="firedrill")
    for document in documents:
        _add_suite(suites, document)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_suite(suites: ET.Element, document: RunDocument) -> None:
    checks = checks_of(document)
    counts: dict[str, str] = {
        plural: str(sum(check.outcome is outcome for check in checks))
        for plural, outcome in (
            ("failures", Outcome.FAILED),
            ("errors", Outcome.ERROR),
            ("skipped", Outcome.SKIPPED),
        )
    }
    seconds = document.window.seconds if document.window else 0.0
    suite = ET.SubElement(
        suites,
        "testsuite",
        counts,
        name=_clean(document.title),
        tests=str(len(checks)),
        time=f"{seconds:.3f}",
        timestamp=_clean(document.started),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("run", document.id), ("verdict", document.status)):
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    for check in checks:
        _add_case(suite, document, check)


def _add_case(suite: ET.Element, document: RunDocument, check: Check) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"{document.profile.name}.{check.group}"),
        name=_clean(check.name),
        time="0",
    )
    tag = TAGS.get(check.outcome)
    if tag:
        text = _clean(check.text)
        ET.SubElement(case, tag, message=text.partition("\n")[0]).text = text
    elif check.text:
        ET.SubElement(case, "system-out").text = _clean(check.text)


def _clean(text: str) -> str:
    """Replace the characters that no XML document can hold."""
    return _NOT_IN_XML.sub("�", text)
