"""The configuration of one stack's Prometheus and Alertmanager, adapted from the bundle's."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from firedrill import places
from firedrill.alerts.rules import promtool, reloading, rule_format
from firedrill.alerts.scaling.routing import scale_routing
from firedrill.alerts.scaling.shrink import scale_rules
from firedrill.errors import BadInput
from firedrill.stack import foreign_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UNSCALED_RULE_FILES = frozenset({"load.yml", "recording.yml"})
"""The bundle's rule files that are not scaled: they are about the load test itself."""
FILE = "prometheus.yml"
"""The configuration file in Prometheus's folder."""
USER_PREFIX = "user-"
"""The file name prefix of rules given by `--rules`, which are not scaled."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """A metrics endpoint that Prometheus scrapes."""

    job: str
    address: str
    path: str = "/metrics"

    @classmethod
    def parse(cls, text: str, job: str) -> Self:
        """Parse `[JOB=]HOST:PORT[/path]`; without a job it gets the one given.

        Raises:
            BadInput: the port is missing or not a number.
        """
        own_job, equals, endpoint = text.partition("=")
        address, slash, path = (endpoint if equals else text).removeprefix("http://").partition("/")
        if not address.rpartition(":")[2].isdecimal():
            raise BadInput(
                f"--scrape {text}: no port in {address!r}; "
                "expected [JOB=]HOST:PORT/path, such as localhost:9464/metrics"
            )
        return cls(own_job if equals else job, address, f"/{path}" if slash else "/metrics")

    def as_file_sd(self) -> dict[str, object]:
        """Return its entry in a file_sd file."""
        return {
            "targets": [self.address],
            "labels": {"job": self.job, "__metrics_path__": self.path},
        }


def check_rules(files: Sequence[Path]) -> None:
    """Check a user's rule files with promtool.

    Raises:
        BadInput: a file is missing or not valid; the message is promtool's, with file and line.
    """
    for file in files:
        if not file.is_file():
            raise BadInput(f"--rules {file}: no such file; expected a Prometheus rule file")
        mistake = promtool.first_mistake(file)
        if mistake:
            raise BadInput(f"--rules {mistake}")


def write(
    folder: Path,
    scrapes: Sequence[Scrape],
    rules: Sequence[Path],
    time_scale: float,
    alertmanager: str | None = None,
    remote_write: str = "",
) -> Path:
    """Write a folder that Prometheus can run on; return its configuration file.

    The bundle's production rules are scaled; the load's own and the user's are copied unchanged.
    Alerts are sent to the Alertmanager's address, if there is one. `remote_write` is that section
    of the configuration.
    """
    for name in ("rules", "targets"):
        shutil.rmtree(folder / name, ignore_errors=True)  # `up` uses its folder again.
        (folder / name).mkdir(parents=True)
    for file in places.RULES.glob("*.yml"):
        (folder / "rules" / file.name).write_text(scaled_text(file, time_scale))
    add_scrapes_and_rules(folder, scrapes, rules)
    if alertmanager:
        (folder / "targets" / "alertmanager.json").write_text(
            json.dumps([{"targets": [alertmanager]}])
        )
    file = folder / FILE
    names_read = "".join(path.read_text() for path in rules)
    text = foreign_names.keep_if_read((places.PROMETHEUS / FILE).read_text(), names_read)
    file.write_text(text + remote_write)
    return file


def add_scrapes_and_rules(folder: Path, scrapes: Sequence[Scrape], rules: Sequence[Path]) -> None:
    """Add metrics endpoints and a user's rules to a folder that has `targets/` and `rules/`."""
    for number, file in enumerate(rules):
        for part, text in enumerate(plain_rules(file)):
            # Prometheus reads only files that end in .yml.
            name = f"{USER_PREFIX}{number}-{file.stem}{f'.{part + 1}' if part else ''}.yml"
            (folder / "rules" / name).write_text(text)
    for job in {scrape.job for scrape in scrapes}:
        entries = [scrape.as_file_sd() for scrape in scrapes if scrape.job == job]
        name = job if job in {"api", "locust", "prometheus"} else f"extra-{job}"
        (folder / "targets" / f"{name}.json").write_text(json.dumps(entries, indent=1))


def plain_rules(file: Path) -> tuple[str, ...]:
    """Return the rules of a user's file, of whatever format, as plain rule files.

    Raises:
        BadInput: it has no Prometheus rules.
    """
    return rule_format.split(rule_format.SourceText.decode(file.read_bytes()).text).texts


def write_routing(folder: Path, time_scale: float, receiver_url: str) -> Path:
    """Write Alertmanager's configuration, its times divided by the time scale; return the file."""
    # Without its old log, Alertmanager notifies again after a restart of `up`.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "alertmanager.yml"
    file.write_text(
        scale_routing(
            (places.PROMETHEUS / "alertmanager.yml").read_text(), time_scale, receiver_url
        )
    )
    return file


def scaled_text(file: Path, time_scale: float) -> str:
    """Return a file's text for a drill, with the times of rules and of routing scaled."""
    text = file.read_text()
    if file.name == "alertmanager.yml":
        return scale_routing(text, time_scale)
    return scale_rules(text, time_scale).text if is_scaled(file) else text


def clamped_durations(time_scale: float) -> list[str]:
    """Return a sentence for each duration that a drill cannot make as short as asked."""
    files = [file for file in sorted(places.RULES.glob("*.yml")) if is_scaled(file)]
    return [
        sentence for file in files for sentence in scale_rules(file.read_text(), time_scale).clamped
    ]


def is_scaled(file: Path) -> bool:
    """Return whether a drill scales this rule file; a file without any rule is not scaled."""
    return (
        file.parent.name == "rules"
        and file.name not in UNSCALED_RULE_FILES
        and not file.name.startswith(USER_PREFIX)
        and bool(reloading.rules_in(file.read_text()))
    )
