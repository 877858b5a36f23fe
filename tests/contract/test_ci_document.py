"""The examples of docs/ci.md and action.yml are valid, and their commands are Firedrill's."""

import json
import re
import shlex

import click
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from firedrill import places
from firedrill.ci.export import bundled_rules
from firedrill.cli import main
from firedrill.drill.measure.existing_prometheus import QUERIES
from firedrill.record.limits import SCHEMA
from tests import recorded_drills

ROOT = places.ROOT
TEXT = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
EXAMPLES = [YAML(typ="safe").load(text) for kind, text in BLOCKS if kind == "yaml"]
ACTION = YAML(typ="safe").load(ROOT / "action.yml")
COMMANDS = sorted(
    set(
        re.findall(
            r"^(?:\s*- |\s*)(firedrill (?:run|show|history|export|setup).*)$", TEXT, re.MULTILINE
        )
    )
)


def words_of(command):
    return shlex.split(command.partition(" > ")[0])[1:]


def test_the_github_example_uses_the_action_as_it_is():
    steps = EXAMPLES[0]["jobs"]["load"]["steps"]
    used = next(step for step in steps if "firedrill@" in step.get("uses", ""))
    assert used["with"].keys() <= ACTION["inputs"].keys()
    documented = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    assert ACTION["inputs"].keys() <= documented


def test_the_gitlab_example_has_a_script_and_a_report():
    job = EXAMPLES[1]["load"]
    assert job["artifacts"]["reports"]["junit"] in " ".join(job["script"])


def test_no_input_of_the_action_becomes_a_script():
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]


def test_the_action_runs_with_options_that_exist():
    run = main.get_command(None, "run")
    known = {name for option in run.params for name in option.opts}
    used = set(re.findall(r"(--[a-z-]+)", ACTION["runs"]["steps"][1]["run"]))
    assert used <= known


@pytest.mark.parametrize("command", [each for each in COMMANDS if " run " in each])
def test_a_run_of_the_document_is_parsed(command):
    run = main.get_command(None, "run")
    run.make_context("run", words_of(command)[1:], parent=click.Context(main))


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if not re.search(" run | setup", each)]
)
def test_a_command_of_the_document_works(command, tmp_path):
    run = recorded_drills.unpack("drill", tmp_path / "runs")
    # Files of the examples go into the test's folder.
    words = [
        str(tmp_path / word) if re.search(r"\.(xml|md)$|/$|\w-history$", word) else word
        for word in words_of(command)
    ]
    if words[0] != "export":
        words += ["--out", str(run.folder.parent)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output


def test_the_default_queries_are_those_of_the_document():
    for signal, query in QUERIES.items():
        assert re.search(rf"^\| `{signal}`.*\| `{re.escape(query)}` \|$", TEXT, re.MULTILINE)


def test_exported_dashboards_have_no_data_source_of_their_own(tmp_path):
    assert CliRunner().invoke(main, ["export", "grafana", str(tmp_path)]).exit_code == 0
    files = list(tmp_path.glob("*.json"))
    assert {file.name for file in files} == {
        file.name for file in (places.GRAFANA / "dashboards").glob("*.json")
    }
    for file in files:
        dashboard = json.loads(file.read_text())
        sources = set(re.findall(r'"uid": "([^"]*)"', file.read_text())) - {dashboard["uid"]}
        assert sources == {"${datasource}"}
        chosen = dashboard["templating"]["list"][0]
        assert (chosen["type"], chosen["current"], chosen["hide"]) == ("datasource", {}, 0)


def test_an_export_overwrites_nothing_of_the_user(tmp_path):
    (tmp_path / "server.json").write_text("{}")
    done = CliRunner().invoke(main, ["export", "grafana", str(tmp_path)])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["server.json"]


@pytest.mark.parametrize("form", ["prometheus", "prometheusrule"])
def test_exported_rules_are_those_of_the_bundle(form):
    done = CliRunner().invoke(main, ["export", "rules", "--format", form])
    assert done.exit_code == 0, done.output
    content = YAML(typ="safe").load(done.stdout)
    groups = content["groups"] if form == "prometheus" else content["spec"]["groups"]
    bundled = [group for file in bundled_rules() for group in YAML(typ="safe").load(file)["groups"]]
    assert groups == bundled


def test_a_broken_rule_file_is_not_exported(tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text("groups: [{name: a, rules: [{alert: A, expr: 'sum('}]}]")
    for words in ([str(file)], ["--format", "prometheusrule", "--name", "No Name"], ["nowhere"]):
        done = CliRunner().invoke(main, ["export", "rules", *words])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_the_schema_of_the_document_is_published():
    schema = json.loads((ROOT / "docs" / "run.schema.json").read_text())
    assert schema["properties"]["schema"]["const"] == SCHEMA
