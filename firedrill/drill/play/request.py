"""The request for one run: profile, server or target, and files, checked before it starts."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from firedrill import http_client, places
from firedrill.alerts.rules import rule_file
from firedrill.contract import BUNDLED_USERS, LOOPBACK
from firedrill.errors import BadInput, Missing
from firedrill.names import without_userinfo
from firedrill.notifications.notification import HEARTBEAT
from firedrill.processes import programs
from firedrill.profile import check_users
from firedrill.profile_form import nearest
from firedrill.record.run_document import Generator, LocustfileUsed
from firedrill.stack import configuration, locust_options
from firedrill.stack.containers import container_stack, engine
from firedrill.target_paths import FRONT_PAGE, TargetPath

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firedrill.drill.judge.baseline import Baseline
    from firedrill.drill.measure.existing_prometheus import ExistingPrometheus
    from firedrill.profile import Profile
    from firedrill.serve.command import ServedCommand
    from firedrill.stack.configuration import Scrape
    from firedrill.stack.containers.attached_stack import Attachment
    from firedrill.stack.plan import Server
    from firedrill.stack.remote_write import RemoteWrite


@dataclass(frozen=True, slots=True)
class Request:
    """A profile against one server, or against the user's own target."""

    profile: Profile
    source: str
    """Name or file of the profile, as Locust gets it."""
    out: Path
    server: Server
    target: str | None = None
    serve: ServedCommand | None = None
    """The user's own command that serves the API, instead of a target that runs already."""
    paths: tuple[TargetPath, ...] = ()
    """What the bundled users request; empty: `/` of a foreign API, else the bundled API's."""
    scrapes: tuple[Scrape, ...] = ()
    locustfile: Path | None = None
    rules: tuple[Path, ...] = ()
    duration_seconds: float | None = None
    """Ends the load earlier than the profile says; None leaves it to the profile."""
    until_firing: tuple[str, ...] = ()
    """Alerts that end the load once all fired since the first fault; empty: the profile does."""
    time_scale: float = 12.0
    docker: bool = False
    """In containers instead of processes."""
    locust_options: tuple[str, ...] = ()
    """Options for Locust, which came after `--`."""
    keeps_hosts: bool = False
    """Whether each class of users loads the host that it names; the target is the first of them."""
    workers: int = 1
    abort_on_slo: bool = False
    """Whether to end the load when the SLO is broken for certain; a profile may ask for it too."""
    attachment: Attachment | None = None
    """A stack that is up already, instead of one that is started for the run."""
    baseline: Baseline | None = None
    """An earlier run that this one must not be worse than."""
    has_live_rates: bool = False
    """Whether the rates of an open load are set while it runs, instead of by its steps."""
    remote_write: RemoteWrite | None = None
    """A receiver of the samples as they are taken."""
    existing_prometheus: ExistingPrometheus | None = None
    """A Prometheus that knows the server's side of the run."""
    ports: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def ends_after_seconds(self) -> float | None:
        """The length of the load; None: until it is stopped."""
        planned = [
            seconds
            for seconds in (self.duration_seconds, self.profile.duration_seconds)
            if seconds is not None
        ]
        return min(planned, default=None)

    @property
    def is_foreign(self) -> bool:
        """Whether the load goes to the user's own API."""
        return bool(self.target or self.serve)

    @property
    def asked_paths(self) -> tuple[TargetPath, ...]:
        """What the bundled users request; empty: the paths of the bundled API."""
        if self.locustfile or self.attachment or not self.is_foreign:
            return self.paths
        return self.paths or (TargetPath.parse(FRONT_PAGE),)

    @property
    def shown_target(self) -> str | None:
        """The target without its password, for people and files."""
        return self.target and without_userinfo(self.target)

    @property
    def title(self) -> str:
        """The profile and the server or target, in words."""
        target = self.shown_target
        if target is None:
            return f"{self.profile.name} {self.serve or self.server}"
        address = target.removeprefix("http://").removeprefix("https://")
        return f"{self.profile.name} {address}"

    def generator(self) -> Generator:
        """Return the setup of the load generator, with the hash of the user's locustfile.

        Raises:
            BadInput: the locustfile cannot be read.
        """
        file, used = self.locustfile, None
        if file:
            try:
                sha256 = _hash(file)
            except OSError as error:
                raise BadInput(f"--locustfile {file}: {error.strerror}") from error
            used = LocustfileUsed(file.name, sha256)
        return Generator(
            locustfile=used,
            workers=self.workers,
            docker=self.docker,
            paths=tuple(map(str, self.asked_paths)),
        )

    def check(self) -> None:
        """Check everything that the run will need.

        Raises:
            BadInput: a file is not there or not valid.
            Missing: a program is not there, or the target does not answer.
        """
        if self.locustfile and not self.locustfile.exists():
            raise BadInput(f"--locustfile {self.locustfile}: no such file")
        locust_options.check(self.locust_options)
        if self.locust_options and (self.docker or self.attachment):
            raise BadInput(
                f"-- {self.locust_options[0]}: containers have Locust options of their own; "
                "expected a run without --docker"
            )
        self._check_own_api()
        self.generator()  # Before there is a folder for the run.
        if (
            self.target
            and not self.attachment
            and not self.target.startswith(("http://", "https://"))
        ):
            raise BadInput(
                f"--target {self.shown_target}: expected a URL such as http://127.0.0.1:8000"
            )
        if self.docker:
            self._check_for_containers()
        elif not self.attachment:
            programs.need("prometheus")
        if not self.docker or programs.find("promtool"):
            configuration.check_rules(self.rules)
        if not self.attachment:
            self._check_expectations()
        self._check_profile()
        if self.existing_prometheus:
            self.existing_prometheus.check()
        if self.target and not (self.docker or self.attachment):
            _check_target(self.target)

    def _check_own_api(self) -> None:
        """Check what is asked of the user's own API, and that nothing contradicts its command."""
        if self.locustfile and self.paths:
            raise BadInput(
                f"--path {self.paths[0]}: the users of --locustfile say what they ask for; "
                "expected one of both"
            )
        command = self.serve
        if command is None:
            return
        if self.target:
            raise BadInput(
                f"--serve {command.text!r}: --target says that the API runs already; "
                "expected one of both"
            )
        if self.docker:
            raise BadInput(
                f"--serve {command.text!r}: it runs as a process of this machine, not in a "
                "container; expected it without --docker"
            )
        if self.profile.faults:
            raise BadInput(
                f"profile {self.profile.name} sets faults, which a served command cannot take; "
                "expected another profile, or the bundled API"
            )

    def _check_profile(self) -> None:
        """Check the profile against the users and the target that it is played with."""
        if not (self.locustfile or self.attachment):
            check_users(self.source, BUNDLED_USERS)
        if self.abort_on_slo and not (self.profile.slo and self.profile.slo.has_objectives):
            raise BadInput(
                f"--abort-on-slo: profile {self.profile.name} needs objectives; "
                "expected one or more in its slo"
            )
        if (
            self.profile.faults
            and self.target
            and not (self.attachment or any(scrape.job == "api" for scrape in self.scrapes))
        ):
            raise BadInput(
                f"profile {self.profile.name} sets faults; "
                "expected --scrape with the target's metrics endpoint, which sets them"
            )

    def _check_expectations(self) -> None:
        """Check that every expected alert exists; a misspelled one would never fire."""
        expected = self.profile.alerts
        of_faults = (name for step in self.profile.faults for name in step.alerts)
        files = (*places.RULES.glob("*.yml"), *self.rules)
        known = {
            rule.name
            for file in files
            for group in rule_file.read(file)
            for rule in group.rules
            if rule.is_alert
        } - {HEARTBEAT}
        for name in (*expected.always, *expected.if_slo_broken, *expected.never, *of_faults):
            if name not in known:
                raise BadInput(
                    f"profile {self.profile.name}: "
                    f"no rule has the alert {name}{nearest(name, known)}"
                )

    def _check_for_containers(self) -> None:
        """Check addresses, files and limits that mean something else in a container."""
        if self.remote_write:
            raise BadInput("--remote-write: expected without --docker")
        engine.need()
        hosts = [
            ("--target", urlsplit(self.target or "").hostname),
            *(("--scrape", scrape.address.rpartition(":")[0]) for scrape in self.scrapes),
        ]
        for option, host in hosts:
            if host in {"localhost", LOOPBACK, "::1", "[::1]"}:
                raise BadInput(
                    f"{option} {host}: in a container that is the container itself; "
                    "expected a host such as host.docker.internal"
                )
        if self.server.threads and self.server.threads > container_stack.MOST_THREADS:
            raise BadInput(
                f"--threads {self.server.threads}: "
                f"expected at most {container_stack.MOST_THREADS} in a container"
            )
        if self.server.shed_after_seconds is not None:
            raise BadInput("--shed-after: not in containers; expected a run without --docker")
        if self.locustfile and not self.locustfile.stat().st_mode & stat.S_IROTH:
            raise BadInput(
                f"--locustfile {self.locustfile}: the containers run as another user; "
                "expected a file that others may read"
            )
        if ":" in str(self.out.absolute()):
            raise BadInput(
                f"--out {self.out}: Docker takes a colon for the end of a path; "
                "expected a folder without one"
            )


def _hash(locustfile: Path) -> str:
    """Return the hash of a locustfile, or of all that a folder's files hold.

    Raises OSError.
    """
    if locustfile.is_file():
        return hashlib.sha256(locustfile.read_bytes()).hexdigest()
    files = sorted(locustfile.rglob("*.py"))
    names_and_hashes = (f"{file.relative_to(locustfile)} {_hash(file)}\n" for file in files)
    return hashlib.sha256("".join(names_and_hashes).encode()).hexdigest()


def _check_target(url: str) -> None:
    try:
        http_client.request("GET", url, timeout_seconds=5, follow_redirects=False)
    except http_client.Untrusted:
        return  # It answers. Whether to trust it is up to the locustfile.
    except http_client.NoAnswer as error:
        raise Missing(f"--target {error}; is it running?") from error
