"""What somebody asked to be drilled, checked before anything is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests

from firedrill.errors import BadInput, Missing
from firedrill.stack import compose, config, programs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firedrill.profile import Profile
    from firedrill.stack.attached import Attachment
    from firedrill.stack.config import Scrape
    from firedrill.stack.plan import Server


@dataclass(frozen=True, slots=True)
class Request:
    """One profile against one server, or against the user's own target."""

    profile: Profile
    source: str
    """The profile's name, or its file: what Locust is told."""
    out: Path
    server: Server
    target: str | None = None
    scrapes: tuple[Scrape, ...] = ()
    locustfile: Path | None = None
    rules: tuple[Path, ...] = ()
    duration_seconds: float | None = None
    """Ends the load earlier than the profile says; None leaves it to the profile."""
    time_scale: float = 12.0
    docker: bool = False
    """In containers instead of processes."""
    workers: int = 1
    abort_on_slo: bool = False
    """End the load when the SLO is broken for certain, as a profile may ask for by itself."""
    attachment: Attachment | None = None
    """A stack that is up already, instead of one that is started for the run."""
    ports: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def ends_after_seconds(self) -> float | None:
        """How long the load lasts; None until stopped."""
        planned = [seconds for seconds in (self.duration_seconds, self.profile.duration_seconds) if seconds is not None]
        return min(planned, default=None)

    @property
    def title(self) -> str:
        """Profile and what it meets, in words."""
        return f"{self.profile.name} {self.target.removeprefix('http://').removeprefix('https://') if self.target else self.server}"

    def check(self) -> None:
        """Look at everything the run will need.

        Raises:
            BadInput: a file is not there or not valid.
            Missing: a program is not there, or the target does not answer.
        """
        if self.docker:
            compose.check(self.target)
        else:
            programs.need("prometheus")
        if self.locustfile and not self.locustfile.is_file():
            raise BadInput(f"--locustfile {self.locustfile}: no such file")
        if not self.docker or programs.find("promtool"):
            config.check_rules(self.rules)
        if self.abort_on_slo and self.profile.slo is None:
            raise BadInput(f"--abort-on-slo: profile {self.profile.name} has no slo")
        if self.profile.faults and self.target and not (self.attachment or any(scrape.job == "api" for scrape in self.scrapes)):
            raise BadInput(f"profile {self.profile.name} sets faults; expected --scrape with the target's metrics page, which takes them")
        if self.target and not (self.docker or self.attachment):
            _check_target(self.target)


def _check_target(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"--target {url}: expected a URL such as http://127.0.0.1:8000")
    try:
        requests.get(url, timeout=5, allow_redirects=False)
    except requests.Timeout as error:
        raise Missing(f"--target {url}: no answer within 5 s") from error
    except requests.RequestException as error:
        raise Missing(f"--target {url}: {_cause(error)}; is it running?") from error


def _cause(error: BaseException) -> str:
    text = str(error)
    return "connection refused" if "Connection refused" in text else "unknown host" if "resolve" in text else error.__class__.__name__
