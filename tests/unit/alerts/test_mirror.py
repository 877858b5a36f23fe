"""Files that are edited while a Prometheus and an Alertmanager run on a copy of them."""

import shutil

import pytest

from firedrill import places
from firedrill.alerts import fresh
from firedrill.alerts.scale import scale_rules
from firedrill.docs import recorded_names
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from firedrill.stack.watch import Mirror, watch
from tests import needs

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
    needs.program("promtool")
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


def test_a_file_that_is_saved_is_shrunk_and_those_at_a_drill_s_scale_are_not(rules):
    for name in ("load.yml", "user-0-mine.yml"):
        write(rules, RULES, name)
    rules.update()
    assert "interval: 5s" in in_force(rules)
    assert "for: 10s" in in_force(rules)
    assert in_force(rules, "load.yml") == in_force(rules, "user-0-mine.yml") == RULES


def test_of_a_file_that_is_saved_is_said_what_scaling_kept_longer_and_what_the_lint_finds(rules):
    assert "Hot" in "".join(rules.remarks())
    text = 'groups: [{name: doubtful, rules: [{alert: Odd, expr: "rate(up[30s]) > 0", for: 2m, labels: {at: "{{ $value }}"}}]}]'
    write(rules, text, "doubtful.yml")
    assert rules.update() == (True, [])
    said = "\n".join(rules.remarks())
    assert rules.taken == []
    assert "doubtful.yml: Odd: 30s is 4s here, not 2500ms" in said
    assert "doubtful.yml:1: error: Odd: " in said
    assert "doubtful.yml:1: warning: Odd: " in said
    assert "mine.yml" not in said, "of what was not saved nothing is said again"
    rules.update()
    assert list(rules.remarks()) == []


def test_a_file_that_is_half_typed_records_nothing(rules):
    write(rules, "groups: [", "half.yml")
    write(rules, "groups: [{name: a, rules: [{record: hot, expr: up}]}]")
    assert recorded_names(rules.source / "rules") == {"hot"}


def test_routing_that_is_half_typed_leaves_the_one_before_in_force(mirror):
    before = (mirror.into / "alertmanager.yml").read_text()
    assert "group_wait: 2500ms" in before
    (mirror.source / "alertmanager.yml").write_text("route:\n  group_wait: [\n")
    changed, (mistake,) = mirror.update()
    assert not changed
    assert mistake.startswith("alertmanager.yml:3: ")
    assert mistake.endswith("; the rest stays in force")
    assert (mirror.into / "alertmanager.yml").read_text() == before


def test_a_rule_that_is_broken_is_named_with_its_line_and_the_one_before_stays(rules):
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
def test_one_value_that_is_wrong_keeps_all_of_a_save_out_as_prometheus_would(rules, wrong):
    write(rules, RULES.replace("hot > 1", "hot > 2") + f"      - {{alert: New, expr: new, {wrong}}}\n")
    changed, (mistake,) = rules.update()
    assert not changed
    assert "mine.yml:7: " in mistake
    assert in_force(rules) == shrunk(RULES)


@pytest.mark.parametrize("text", ["", "# groups:\n", "{}\n", "groups:\n", "groups: []\n"])
def test_a_file_without_any_rule_left_takes_the_old_ones_out_of_force(rules, text):
    write(rules, text)
    assert rules.update() == (True, [])
    assert in_force(rules) == text
    assert not rules.settle()


def test_a_file_that_prometheus_does_not_read_for_its_name_is_named_once(rules):
    write(rules, RULES, "other.yaml")
    assert rules.update() == (False, ["other.yaml: is not read, as it does not end in .yml"])
    assert rules.update() == (False, [])
    assert [file.name for file in (rules.into / "rules").iterdir()] == ["mine.yml"]


def test_what_editors_leave_beside_a_file_is_none_of_the_rules(rules):
    for name in (".mine.yml.swp", "mine.yml~", "#mine.yml#", "4913", "mine.yml.bak", ".#mine.yml"):
        (rules.source / "rules" / name).write_text("{ half")
    assert rules.update() == (False, [])
    assert [file.name for file in (rules.into / "rules").iterdir()] == ["mine.yml"]


def test_a_file_that_is_away_for_a_moment_stays_in_force(rules):
    (rules.source / "rules" / "mine.yml").unlink()
    assert rules.update() == (False, [])
    write(rules, RULES)
    assert rules.update() == (True, [])
    assert in_force(rules) == shrunk(RULES)


def test_a_file_that_is_gone_for_good_is_gone(rules):
    (rules.source / "rules" / "mine.yml").unlink()
    assert [rules.update(), rules.update(), rules.update()] == [(False, []), (True, []), (False, [])]
    assert list((rules.into / "rules").iterdir()) == []


def test_what_was_given_to_the_stack_itself_stays_where_rules_alone_are_mirrored(rules):
    given = rules.into / "rules" / "user-0-given.yml"
    given.write_text(RULES)
    assert [rules.update(), rules.update(), rules.update()] == [(False, [])] * 3
    assert given.read_text() == RULES


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda place: place.mkdir(), "odd.yml: Is a directory; expected a file that everybody may read; the rest stays in force"),
        (lambda place: place.write_bytes(b"\xff\xfe\x00"), "odd.yml: no text; expected YAML or JSON; the rest stays in force"),
    ],
)
def test_what_cannot_be_read_is_named_once_and_stops_nobody(rules, make, said):
    make(rules.source / "rules" / "odd.yml")
    assert rules.update() == (False, [said])
    assert rules.update() == (False, [])
    write(rules, RULES + "      - {alert: New, expr: new}\n")
    assert rules.update() == (True, [])
    assert "New" in in_force(rules)


def test_a_folder_among_the_files_in_force_stops_nobody(rules):
    (rules.into / "rules" / "odd.yml").mkdir()
    write(rules, RULES.replace("hot > 1", "hot > 2"))
    assert rules.update()[0]
    assert rules.settle()
    assert rules.update() == (False, [])
    assert "hot > 2" in in_force(rules)


def test_a_source_that_is_not_there_takes_no_rule_out_of_force(rules, tmp_path):
    elsewhere = Mirror(tmp_path / "misspelled", rules.into, 12.0, rules_only=True)
    with Interrupt() as interrupt, pytest.raises(BadInput, match="misspelled: has no rules; expected a folder such as"):
        watch(elsewhere, (), interrupt, print)
    assert in_force(rules) == shrunk(RULES)


def test_a_link_that_leads_nowhere_is_no_file(rules):
    (rules.source / "rules" / "odd.yml").symlink_to("nowhere.yml")
    assert rules.update() == (False, [])


def test_an_edited_alert_is_away_for_one_reload_and_the_others_are_not(rules):
    edited = RULES.replace("hot > 1", "hot > 2")
    write(rules, edited)
    changed, (said,) = rules.update()
    assert changed
    assert said == "mine.yml: Hot begins anew, without what the old rule had pending"
    assert "Hot" not in in_force(rules)
    assert "Cold" in in_force(rules)
    assert rules.settle()
    assert in_force(rules) == shrunk(edited)
    assert not rules.settle()


def test_an_edit_of_an_edit_leaves_the_last_one_in_force(rules):
    for limit in (2, 3):
        write(rules, RULES.replace("hot > 1", f"hot > {limit}"))
        assert rules.update()[0]
    assert rules.settle()
    assert "hot > 3" in in_force(rules)


def test_words_and_blanks_do_not_make_another_alert():
    spaced = RULES.replace("hot > 1", "'hot  >  1'").replace("# a comment", "# another")
    assert not fresh.edit(RULES, spaced).alerts
    assert fresh.edit(RULES, RULES.replace("for: 2m", "for: 1m")).alerts == {"Hot"}
    assert not fresh.edit("groups: [", RULES).alerts


def test_blanks_inside_a_string_do():
    text = RULES.replace("hot > 1", "'hot{of=\"a b\"} > 1'")
    assert fresh.edit(text, text.replace("a b", "a  b")).alerts == {"Hot"}


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


def test_alerts_that_read_what_is_recorded_otherwise_begin_anew_whatever_their_file(rules):
    write(rules, RECORDS, "records.yml")
    write(rules, READERS, "readers.yml")
    rules.update()
    rules.settle()
    write(rules, RECORDS.replace("of_heat", "2 * of_heat"), "records.yml")
    changed, said = rules.update()
    assert changed
    assert said == [
        "records.yml: Cold, Hot, Now, Then begin anew, without what the old rule had pending",
        "records.yml: hot is recorded otherwise from now on; what was recorded before stays",
        "records.yml: Then looks back on what was recorded before the edit for 30s",
    ]
    assert [name for name in ("Now", "Then", "Neither") if name in in_force(rules, "readers.yml")] == ["Neither"]
    assert "Hot" not in in_force(rules)
    assert rules.settle()
    assert in_force(rules, "readers.yml") == shrunk(READERS)
    assert "2 * of_heat" in in_force(rules, "records.yml")
    assert rules.update() == (False, [])


def test_two_files_that_are_saved_at_once_both_begin_anew(rules):
    write(rules, RECORDS, "a-records.yml")
    write(rules, READERS, "readers.yml")
    rules.update()
    rules.settle()
    write(rules, RECORDS.replace("of_heat", "2 * of_heat"), "a-records.yml")
    write(rules, READERS.replace("up == 0", "up < 1"), "readers.yml")
    rules.update()
    assert [name for name in ("Now", "Then", "Neither") if name in in_force(rules, "readers.yml")] == []
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
    assert said.count(f"{silent_url} does not answer; it reloads once it does") == 1
    assert not any("is up to date" in sentence for sentence in said)
