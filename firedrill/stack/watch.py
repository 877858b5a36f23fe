"""A Prometheus folder kept up to date with its source while files are edited: checked, scaled, reloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests

from firedrill import whole_file
from firedrill.errors import BadInput
from firedrill.stack import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt

POLL_SECONDS = 0.5
"""Files are looked at, not subscribed to: a folder shared with a virtual machine (Docker on a Mac) sends no events."""

SUBFOLDERS = ("rules", "targets")


@dataclass(slots=True)
class Mirror:
    """The folder that Prometheus reads. A file whose source is broken stays as it last was."""

    source: Path
    into: Path
    time_scale: float
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def update(self) -> tuple[bool, list[str]]:
        """Take over what was saved or deleted since the last call; returns whether a reload is due, and each mistake with its line.

        Prometheus finds targets by itself. A reload in that moment would make it keep those that were deleted (2.42).
        """
        before, self._seen = self._seen, {file: state for file in self._files() if (state := _state(file))}
        changed = [file for file, state in self._seen.items() if before.get(file) != state]
        mistakes = {file: mistake for file in changed if (mistake := self._mistake(file))}
        written = [file for file in changed if file not in mistakes]
        for file in written:
            self._write(file)
        folders = {file.parent.name for file in (*written, *self._delete_orphans())}
        return bool(folders - {"targets"}), list(mistakes.values())

    def _files(self) -> Iterator[Path]:
        yield from (self.source / folder / file.name for folder in SUBFOLDERS for file in sorted((self.source / folder).glob("[!.]*.*")))
        # Last: where it is, the folder is complete.
        yield from sorted(self.source.glob("*.yml"))

    def _mistake(self, file: Path) -> str | None:
        mistake = self._obstacle(file) or (config.rule_mistake(file) if file.parent.name == "rules" else None)
        return f"{mistake}; the rest stays in force" if mistake else None

    def _obstacle(self, file: Path) -> str | None:
        """Why it cannot be read, or its times not be divided."""
        try:
            config.scaled(file, self.time_scale)
        except BadInput as error:
            return f"{file.name}: {error}"
        except OSError as error:
            return f"{file.name}: {error.strerror}; expected a file that everybody may read"
        except UnicodeDecodeError:
            return f"{file.name}: no text; expected YAML or JSON"
        return None

    def _write(self, file: Path) -> None:
        place = self.into / file.relative_to(self.source)
        place.parent.mkdir(parents=True, exist_ok=True)
        whole_file.write(place, config.scaled(file, self.time_scale))

    def _delete_orphans(self) -> list[Path]:
        known = {self.into / file.relative_to(self.source) for file in self._seen}
        orphans = [file for folder in SUBFOLDERS for file in (self.into / folder).glob("[!.]*") if file not in known]
        for orphan in orphans:
            orphan.unlink()
        return orphans


def watch(mirror: Mirror, reload_urls: Sequence[str], interrupt: Interrupt, say: Callable[[str], None]) -> None:
    """Mirror until somebody asks to stop, and have the programs at the URLs reload what changed.

    Raises:
        BadInput: the source has no prometheus.yml.
    """
    if not (mirror.source / "prometheus.yml").is_file():
        raise BadInput(f"--source {mirror.source}: has no prometheus.yml; expected a folder such as the bundle's prometheus/")
    pending: set[str] = set()
    while True:
        changed, mistakes = mirror.update()
        for mistake in mistakes:
            say(mistake)
        if changed:
            pending = set(reload_urls)
            say(f"{mirror.into} is up to date with {mirror.source}")
        pending -= {url for url in pending if _reloaded(url, say)}
        if interrupt.pause(POLL_SECONDS):
            return


def _reloaded(url: str, say: Callable[[str], None]) -> bool:
    """Ask a program to reload; False where nobody answers yet."""
    try:
        answer = requests.post(f"{url}/-/reload", timeout=5)
    except requests.RequestException:
        return False
    say(f"{url} reloaded" if answer.ok else f"{url} keeps its old configuration: {' '.join(answer.text.split())}")
    return True


def _state(file: Path) -> tuple[int, int] | None:
    """What changes when a file is saved; None while an editor is replacing it."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ctime_ns, found.st_size  # Permissions that change count too.
