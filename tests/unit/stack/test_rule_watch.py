"""Edited rule and routing files are copied to the folder that Prometheus reads."""

import shutil

import pytest

from firedrill import places
from firedrill.alerts.lint.known_series import recorded_names
from firedrill.alerts.rules import reloading
from firedrill.alerts.scaling.shrink import scale_rules
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from firedrill.stack.rule_watch.mirror import Mirror
from firedrill.stack.rule_watch.watch_loop import watch
from tests import required_programs

RULES = """\
groups:
  - name: mine
    interval: 1m
    rules:
      - {alert: Hot, expr: hot > 1, for: 2m}  # a comment
      - {alert: Cold, expr: hot < 0}
"""


@pytest.fixture
def mirror(tmp_path):
    """A mirror of the bundle's routing alone."""
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(places.PROMETHEUS / "alertmanager.yml", source)
    mirror = Mirror(source, tmp_path / "into", 12.0)
    assert mirror.update() == (True, [])
    return mirror


@pytest.fixture
def rules(tmp_path):
    """A mirror of rules alone, with one file in force."""
    required_programs.require("promtool")
    (tmp_path / "source" / "rules").mkdir(parents=True)
    mirror = Mirror(tmp_path / "source", tmp_path / "into", 12.0, rules_only=True)
    write(mirror, RULES)
    assert mirror.update() == (True, [])
    assert in_force(mirror) == shrunk(RULES)
    return mirror


def write(mirror, text, name="mine.yml"):
    """As an editor does that saves atomically: a new file takes the place of the old."""
    place = mirror.source / "rules" / name
    draft = place.with_name(".draft")
    draft.write_text(text)
    draft.replace(place)


def in_force(mirror, name="mine.yml"):
    return (mirror.into / "rules" / name).read_text()


def shrunk(text):
    return scale_rules(text, 12.0).text


def test_a_saved_file_is_scaled_unless_it_already_is(rules):
    for name in ("load.yml", "user-0-mine.yml"):
        write(rules, RULES, name)
    rules.update()
    assert "interval: 5s" in in_force(rules)
    assert "for: 10s" in in_force(rules)
    assert in_force(rules, "load.yml") == in_force(rules, "user-0-mine.yml") == RULES


def test_remarks_name_clamped_durations_and_findings_of_a_saved_file(rules):
    assert "Hot" in "".join(rules.remarks())
    text = (
        'groups: [{name: doubtful, rules: [{alert: Odd, expr: "rate(up[30s]) > 0", for: 2m, '
        'labels: {at: "{{ $value }}"}}]}]'
    )
    write(rules, text, "doubtful.yml")
    assert rules.update() == (True, [])
    said = "\n".join(rules.remarks())
    assert rules.awaiting_remarks == []
    assert "doubtful.yml: Odd: 30s is 4s here, not 2500ms" in said
    assert "doubtful.yml:1: error: Odd: " in said
    assert "doubtful.yml:1: warning: Odd: " in said
    assert "mine.yml" not in said, "an unsaved file is not reported again"
    rules.update()
    assert list(rules.remarks()) == []


def test_a_file_that_is_half_typed_records_nothing(rules):
    write(rules, "groups: [", "half.yml")
    write(rules, "groups: [{name: a, rules: [{record: hot, expr: up}]}]")
    assert recorded_names(rules.source / "rules") == {"hot"}


def test_half_typed_routing_leaves_the_previous_one_in_force(mirror):
    before = (mirror.into / "alertmanager.yml").read_text()
    assert "group_wait: 2500ms" in before
    (mirror.source / "alertmanager.yml").write_text("route:\n  group_wait: [\n")
    changed, (mistake,) = mirror.update()
    assert not changed
    assert mistake.startswith("alertmanager.yml:2: ")
    assert mistake.endswith("; the old version stays loaded")
    assert (mirror.into / "alertmanager.yml").read_text() == before


def test_a_broken_rule_is_named_and_the_previous_one_stays(rules):
    write(rules, RULES.replace("hot > 1", "rate(hot"))
    changed, (mistake,) = rules.update()
    assert not changed
    assert "mine.yml" in mistake
    assert "could not parse expression" in mistake
    assert "mine.yml:5: Hot:" in mistake
    assert in_force(rules) == shrunk(RULES)
    write(rules, RULES)
    assert rules.update() == (True, []), "mended"


@pytest.mark.parametrize("wrong", ["for: 5", "expr: up", "labels: [a]"])
def test_one_wrong_value_keeps_the_whole_save_out(rules, wrong):
    write(
        rules, RULES.replace("hot > 1", "hot > 2") + f"      - {{alert: New, expr: new, {wrong}}}\n"
    )
    changed, (mistake,) = rules.update()
    assert not changed
    assert "mine.yml:7: " in mistake
    assert in_force(rules) == shrunk(RULES)


@pytest.mark.parametrize("text", ["", "# groups:\n", "{}\n", "groups:\n", "groups: []\n"])
def test_an_emptied_file_takes_its_rules_out_of_force(rules, text):
    write(rules, text)
    assert rules.update() == (True, [])
    assert in_force(rules) == text
    assert not rules.settle()


def test_a_file_with_an_unread_name_is_named_once(rules):
    write(rules, RULES, "other.yaml")
    assert rules.update() == (
        False,
        ["other.yaml: Prometheus does not read it; rename it so that it ends in .yml"],
    )
    assert rules.update() == (False, [])
    assert [file.name for file in (rules.into / "rules").iterdir()] == ["mine.yml"]


def test_backup_and_swap_files_of_editors_are_ignored(rules):
    for name in (".mine.yml.swp", "mine.yml~", "#mine.yml#", "4913", "mine.yml.bak", ".#mine.yml"):
        (rules.source / "rules" / name).write_text("{ half")
    assert rules.update() == (False, [])
    assert [file.name for file in (rules.into / "rules").iterdir()] == ["mine.yml"]


def test_a_file_missing_for_one_update_stays_in_force(rules):
    (rules.source / "rules" / "mine.yml").unlink()
    assert rules.update() == (False, [])
    write(rules, RULES)
    assert rules.update() == (True, [])
    assert in_force(rules) == shrunk(RULES)


def test_a_file_missing_for_two_updates_is_removed(rules):
    (rules.source / "rules" / "mine.yml").unlink()
    assert [rules.update(), rules.update(), rules.update()] == [
        (False, []),
        (True, []),
        (False, []),
    ]
    assert list((rules.into / "rules").iterdir()) == []


def test_rules_given_to_the_stack_itself_stay(rules):
    given = rules.into / "rules" / "user-0-given.yml"
    given.write_text(RULES)
    assert [rules.update(), rules.update(), rules.update()] == [(False, [])] * 3
    assert given.read_text() == RULES


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda place: place.mkdir(),
            (
                "odd.yml: Is a directory; expected a file that everybody may read; "
                "the old version stays loaded"
            ),
        ),
        (
            lambda place: place.write_bytes(b"\xff\xfe\x00"),
            "odd.yml: no text; expected YAML or JSON; the old version stays loaded",
        ),
    ],
)
def test_an_unreadable_file_is_named_once_and_blocks_no_other(rules, make, said):
    make(rules.source / "rules" / "odd.yml")
    assert rules.update() == (False, [said])
    assert rules.update() == (False, [])
    write(rules, RULES + "      - {alert: New, expr: new}\n")
    assert rules.update() == (True, [])
    assert "New" in in_force(rules)


def test_a_folder_among_the_files_in_force_is_ignored(rules):
    (rules.into / "rules" / "odd.yml").mkdir()
    write(rules, RULES.replace("hot > 1", "hot > 2"))
    assert rules.update()[0]
    assert rules.settle()
    assert rules.update() == (False, [])
    assert "hot > 2" in in_force(rules)


def test_a_missing_source_takes_no_rule_out_of_force(rules, tmp_path):
    elsewhere = Mirror(tmp_path / "misspelled", rules.into, 12.0, rules_only=True)
    with (
        Interrupt() as interrupt,
        pytest.raises(BadInput, match="misspelled: has no rules; expected a folder such as"),
    ):
        watch(elsewhere, (), interrupt, print)
    assert in_force(rules) == shrunk(RULES)


def test_a_dangling_link_is_ignored(rules):
    (rules.source / "rules" / "odd.yml").symlink_to("nowhere.yml")
    assert rules.update() == (False, [])


def test_only_the_edited_alert_is_away_for_one_reload(rules):
    edited = RULES.replace("hot > 1", "hot > 2")
    write(rules, edited)
    changed, (said,) = rules.update()
    assert changed
    assert said == "mine.yml: Hot starts again, without the pending time of the old rule"
    assert "Hot" not in in_force(rules)
    assert "Cold" in in_force(rules)
    assert rules.settle()
    assert in_force(rules) == shrunk(edited)
    assert not rules.settle()


def test_the_last_of_two_quick_edits_is_in_force(rules):
    for limit in (2, 3):
        write(rules, RULES.replace("hot > 1", f"hot > {limit}"))
        assert rules.update()[0]
    assert rules.settle()
    assert "hot > 3" in in_force(rules)


@pytest.mark.parametrize("text", ["", "# groups:\n", RULES.replace("hot", "cold")])
def test_an_edited_file_can_be_saved_again_before_the_reload(rules, text):
    write(rules, RULES.replace("hot > 1", "hot > 2"))
    rules.update()
    write(rules, text)
    assert rules.update()[0]
    rules.settle()
    assert in_force(rules) == (shrunk(text) if "groups:\n  -" in text else text)


def test_comments_and_blanks_do_not_change_an_alert():
    spaced = RULES.replace("hot > 1", "'hot  >  1'").replace("# a comment", "# another")
    assert not reloading.edit(RULES, spaced).alerts
    assert reloading.edit(RULES, RULES.replace("for: 2m", "for: 1m")).alerts == {"Hot"}
    assert not reloading.edit("groups: [", RULES).alerts


def test_blanks_inside_a_string_change_an_alert():
    text = RULES.replace("hot > 1", "'hot{of=\"a b\"} > 1'")
    assert reloading.edit(text, text.replace("a b", "a  b")).alerts == {"Hot"}


RECORDS = """\
groups:
  - name: records
    rules:
      - {record: hot, expr: of_heat}
      - {record: "hot:mean", expr: "avg_over_time(hot[5m])"}
"""
READERS = """\
groups:
  - name: readers
    rules:
      - {alert: Now, expr: hot > 1, for: 2m}
      - {alert: Then, expr: "max_over_time(hot:mean[1m]) > 1"}
      - {alert: Neither, expr: up == 0}
"""


def test_readers_of_a_changed_recording_start_again(rules):
    write(rules, RECORDS, "records.yml")
    write(rules, READERS, "readers.yml")
    rules.update()
    rules.settle()
    write(rules, RECORDS.replace("of_heat", "2 * of_heat"), "records.yml")
    changed, said = rules.update()
    assert changed
    assert said == [
        "records.yml: Cold, Hot, Now, Then start again, without the pending time of the old rule",
        "records.yml: hot is recorded by the new rule; its older samples stay",
        "records.yml: Then still reads samples of the old recording rule, for 30s",
    ]
    assert [
        name for name in ("Now", "Then", "Neither") if name in in_force(rules, "readers.yml")
    ] == ["Neither"]
    assert "Hot" not in in_force(rules)
    assert rules.settle()
    assert in_force(rules, "readers.yml") == shrunk(READERS)
    assert "2 * of_heat" in in_force(rules, "records.yml")
    assert rules.update() == (False, [])


def test_alerts_of_two_files_saved_at_once_start_again(rules):
    write(rules, RECORDS, "a-records.yml")
    write(rules, READERS, "readers.yml")
    rules.update()
    rules.settle()
    write(rules, RECORDS.replace("of_heat", "2 * of_heat"), "a-records.yml")
    write(rules, READERS.replace("up == 0", "up < 1"), "readers.yml")
    rules.update()
    assert [
        name for name in ("Now", "Then", "Neither") if name in in_force(rules, "readers.yml")
    ] == []
    assert rules.settle()
    assert in_force(rules, "readers.yml") == shrunk(READERS.replace("up == 0", "up < 1"))


class Turns:
    """An interrupt that comes after some turns, and waits for nothing."""

    def __init__(self, turns):
        self.left = turns

    def pause(self, _seconds):
        self.left -= 1
        return self.left <= 0


def test_a_program_that_does_not_answer_is_named_once(rules, silent_url):
    write(rules, RULES.replace("hot > 1", "hot > 2"))
    said = []
    watch(rules, (silent_url,), Turns(4), said.append)
    assert said.count(f"{silent_url} does not answer; it is asked again until it reloads") == 1
    assert not any("is up to date" in sentence for sentence in said)
