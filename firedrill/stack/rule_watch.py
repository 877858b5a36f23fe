"""A Prometheus folder kept up to date with its source while files are edited: checked, scaled, reloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import atomic_file, http_client
from firedrill.alerts.lint import checks
from firedrill.alerts.rules import durations, promtool, reloading, yaml_document
from firedrill.alerts.scaling.shrink import scale_rules
from firedrill.errors import BadInput
from firedrill.stack import configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt

POLL_SECONDS = 0.5
"""Files are looked at, not subscribed to: a folder shared with a virtual machine (Docker on a Mac) sends no events."""

FILES = {"rules": "[!.#]*.yml", "targets": "[!.#]*.json"}
"""What lies in which folder; editors put other files beside them."""


@dataclass(slots=True)
class Mirror:
    """The folder that Prometheus reads. A file whose source is broken stays as it last was."""

    source: Path
    into: Path
    time_scale: float
    rules_only: bool = False
    """Where targets and configuration are not the source's."""
    taken: list[Path] = field(default_factory=list)
    """The rule files that were put into force and of which nothing has been said yet."""
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _held: dict[Path, str] = field(default_factory=dict)
    """Texts that are written once Prometheus has forgotten what their alerts were before."""
    _loaded: dict[Path, str] = field(default_factory=dict)
    """What Prometheus had loaded of the files that were saved since."""
    _anew: dict[Path, set[str]] = field(default_factory=dict)
    """Alerts of each file that Prometheus has to forget first."""
    _missing: set[Path] = field(default_factory=set)
    _passed_over: set[Path] = field(default_factory=set)
    """Files of which it was said that nobody reads them."""

    def update(self) -> tuple[bool, list[str]]:
        """Take over what was saved or deleted since the last call; returns whether a reload is due, and each sentence about a file.

        Prometheus finds targets by itself. A reload in that moment would make it keep those that were deleted (2.42).
        """
        before, self._seen = (
            self._seen,
            {file: state for file in self._files() if (state := _state(file))},
        )
        said: list[str] = []
        said += self._unread()
        written = [
            file
            for file, state in self._seen.items()
            if before.get(file) != state and self._take(file, said)
        ]
        rules = [file for file in written if file.parent.name == "rules"]
        self.taken = [*(file for file in self.taken if file not in rules), *rules]
        folders = {file.parent.name for file in (*written, *self._delete_orphans())}
        return bool(folders - {"targets"}), said

    def settle(self) -> bool:
        """After a reload: write what waited for it; returns whether another one is due."""
        held, self._held = self._held, {}
        self._loaded.clear()
        self._anew.clear()
        for place, text in held.items():
            atomic_file.write(place, text)
        return bool(held)

    def remarks(self) -> Iterator[str]:
        """What is to be said of the next file that was taken: durations that scaling had to keep longer, and what the lint finds.

        One file at a time: it takes a tenth of a second and more, and what is saved meanwhile comes first.
        """
        if not self.taken:
            return
        file = self.taken.pop(0)
        with_rules = [
            one
            for one in self._seen
            if one.parent.name == "rules" and reloading.rules_in(one.read_text())
        ]
        if file in with_rules:
            if configuration.at_production_scale(file):
                yield from (
                    f"{file.name}: {sentence}"
                    for sentence in scale_rules(file.read_text(), self.time_scale).clamped
                )
            yield from (
                f"{one.place}: {one.severity}: {one.text}"
                for one in checks.check(file, beside=with_rules)
            )

    def _folders(self) -> Iterator[tuple[str, str]]:
        yield from (
            (folder, names)
            for folder, names in FILES.items()
            if folder == "rules" or not self.rules_only
        )

    def _files(self) -> Iterator[Path]:
        yield from (
            self.source / folder / file.name
            for folder, names in self._folders()
            for file in sorted((self.source / folder).glob(names))
        )
        # Last: where it is, the folder is complete.
        yield from () if self.rules_only else sorted(self.source.glob("*.yml"))

    def _unread(self) -> Iterator[str]:
        """A sentence, once, for each file of rules that is not called as Prometheus's configuration has it."""
        new = set((self.source / "rules").glob("[!.#]*.yaml")) - self._passed_over
        self._passed_over |= new
        yield from (f"{file.name}: is not read, as it does not end in .yml" for file in sorted(new))

    def _take(self, file: Path, said: list[str]) -> bool:
        """Put a file into force; False if it is broken."""
        try:
            text = configuration.scaled(file, self.time_scale)
            mistake = promtool.first_mistake(file) if file.parent.name == "rules" else None
        except BadInput as error:
            mistake = ": ".join(yaml_document.locate(file.name, error))
        except OSError as error:
            mistake = f"{error.strerror}; expected a file that everybody may read"
        except UnicodeDecodeError:
            mistake = "no text; expected YAML or JSON"
        if mistake:
            said.append(
                f"{mistake if file.name in mistake else f'{file.name}: {mistake}'}; the rest stays in force"
            )
            return False
        place = self.into / file.relative_to(self.source)
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write(
            place,
            self._first(place, text, said)
            if file.parent.name == "rules" and place.is_file()
            else text,
        )
        return True

    def _first(self, place: Path, text: str, said: list[str]) -> str:
        """What is loaded first: the text, or where alerts are to begin anew, the text without them."""
        self._held.pop(place, None)
        edited = reloading.edit(self._loaded.setdefault(place, place.read_text()), text)
        texts = {
            file: self._held.get(file) or file.read_text()
            for file in self.into.glob(f"rules/{FILES['rules']}")
            if file.is_file()
        } | {place: text}
        rules = {file: reloading.rules_in(one) for file, one in texts.items()}
        back_ms = reloading.readers(
            [rule for listed in rules.values() for rule in listed], edited.records
        )
        said += (f"{place.name}: {sentence}" for sentence in _sentences(edited, back_ms))
        for file, listed in rules.items():
            anew = self._anew.setdefault(file, set())
            anew |= {rule.name for rule in listed if rule.name in back_ms} | (
                edited.alerts if file == place else set()
            )
            if anew:
                self._loaded.setdefault(file, texts[file])
                self._held[file] = texts[file]
                texts[file] = reloading.without(texts[file], anew)
                atomic_file.write(file, texts[file])
        return texts[place]

    def _delete_orphans(self) -> list[Path]:
        """Delete what has had no source twice: an editor that saves takes a file away for a moment.

        What was given to the stack as it was started (`user-...`) has its source elsewhere, where not all of the folder is mirrored.
        """
        known = {self.into / file.relative_to(self.source) for file in self._seen}
        missing = {
            file
            for folder, _ in self._folders()
            for file in (self.into / folder).glob("[!.]*")
            if self._is_ours(file) and file not in known
        }
        orphans = sorted(missing & self._missing)
        self._missing = missing - self._missing
        for orphan in orphans:
            orphan.unlink()
            self._held.pop(orphan, None)
        return orphans

    def _is_ours(self, file: Path) -> bool:
        return file.is_file() and not (
            self.rules_only and file.name.startswith(configuration.GIVEN)
        )


def watch(
    mirror: Mirror, reload_urls: Sequence[str], interrupt: Interrupt, say: Callable[[str], None]
) -> None:
    """Mirror until somebody asks to stop, and have the programs at the URLs reload what changed.

    Raises:
        BadInput: the source has no rules, or no prometheus.yml where that is mirrored.
    """
    # Else every rule in force would be taken for one that was deleted.
    needed = "rules" if mirror.rules_only else "prometheus.yml"
    if not (mirror.source / needed).exists():
        raise BadInput(
            f"--source {mirror.source}: has no {needed}; expected a folder such as the bundle's prometheus/"
        )
    readers = _Readers(frozenset(reload_urls), say)
    while True:
        changed, said = mirror.update()
        for sentence in said:
            say(sentence)
        if changed:
            readers.renew()
        if readers.reload() and mirror.settle():
            readers.renew()
            readers.reload()
        if readers.caught_up():
            say(f"{mirror.into} is up to date with {mirror.source}")
        # Last, since a reload is waited for and this is not.
        for sentence in _remarks(mirror):
            say(sentence)
        if interrupt.pause(0 if mirror.taken else POLL_SECONDS):
            return


@dataclass(slots=True)
class _Readers:
    """The programs that read the folder, by their URL."""

    urls: frozenset[str]
    say: Callable[[str], None]
    _behind: set[str] = field(default_factory=set)
    _is_new: bool = False
    _refused: set[str] = field(default_factory=set)
    _missed: set[str] = field(default_factory=set)
    """Of whom it is said already that they do not answer."""

    def renew(self) -> None:
        """All of them have to reload."""
        self._behind, self._is_new = set(self.urls), True
        self._refused.clear()
        self._missed.clear()

    def reload(self) -> bool:
        """Ask those that are behind; whether nobody is any more."""
        for url in sorted(self._behind):
            self._ask(url)
        return not self._behind

    def caught_up(self) -> bool:
        """Whether all of them took what is new; said once."""
        was_new, self._is_new = self._is_new, self._is_new and bool(self._behind)
        return was_new and not self._behind and not self._refused

    def _ask(self, url: str) -> None:
        try:
            answer = http_client.request("POST", f"{url}/-/reload", timeout_seconds=5)
        except http_client.NoAnswer:
            if url not in self._missed:
                self.say(f"{url} does not answer; it reloads once it does")
            self._missed.add(url)
            return
        self._behind.discard(url)
        if answer.ok:
            self.say(f"{url} reloaded")
        else:
            self._refused.add(url)
            self.say(f"{url} keeps its old configuration: {answer.text()}")


def _remarks(mirror: Mirror) -> list[str]:
    try:
        return list(mirror.remarks())
    except (BadInput, OSError, UnicodeDecodeError):
        return []  # A file was saved again meanwhile: the next update is about it.


def _sentences(edited: reloading.Edit, back_ms: Mapping[str, int]) -> Iterator[str]:
    """What comes of an edit."""
    anew = sorted(edited.alerts | back_ms.keys())
    if anew:
        yield f"{', '.join(anew)} {'begin' if anew[1:] else 'begins'} anew, without what the old rule had pending"
    for record in sorted(edited.records):
        yield f"{record} is recorded otherwise from now on; what was recorded before stays"
    for alert, back in sorted(back_ms.items()):
        if back:
            yield f"{alert} looks back on what was recorded before the edit for {durations.format_ms(back)}"


def _state(file: Path) -> tuple[int, int] | None:
    """What changes when a file is saved; None while an editor is replacing it."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ctime_ns, found.st_size  # Permissions that change count too.
