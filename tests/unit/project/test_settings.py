"""firedrill.toml: its values, and its mistakes with their lines."""

import pytest

from firedrill.errors import BadInput
from firedrill.profile import load_profile
from firedrill.project import openapi, scaffold, settings


def file_of(folder, text):
    (folder / settings.FILE).write_text(text)
    return folder / settings.FILE


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('profile = "a"\ntagret = "b"\n', 2, "tagret is no key; did you mean target?"),
        ("\n\n[slo]\np99 = 3\n", 4, "slo.p99 is 3; expected a duration"),
        ('[slo]\np98 = "1s"\n', 2, "slo.p98 is no key; did you mean p99"),
        ('slo = {p99 = "1s", erors = "1%"}\n', 1, "slo.erors is no key; did you mean errors?"),
        ('[slo.endpoints."GET /a"]\np99 = "x"\n', 2, "p99 is 'x'; expected a duration"),
        ("target = 3\n", 1, "target is 3; expected text"),
        ("workers = 0\n", 1, "workers is 0; expected 1 or more"),
        ('rules = "a.yml"\n', 1, "rules is 'a.yml'; expected a list"),
        ("a = 1\nb = = 2\n", 2, "expected well-formed TOML"),
        ("a = 1\na = 2\n", 2, "expected well-formed TOML"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, line, said):
    with pytest.raises(BadInput) as caught:
        settings.read(file_of(tmp_path, text))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / settings.FILE}:{line}: ")
    assert said in message
    assert "\n" not in message


def test_the_objectives_replace_those_of_the_profile(tmp_path):
    file = file_of(tmp_path, '[slo]\np50 = "75ms"\n')
    copy = settings.profile_with_slo("launch", file, tmp_path / "runs" / ".profiles")
    before, after = load_profile("launch"), load_profile(str(copy))
    assert after.slo.latency_seconds == {"p50": 0.075}
    assert (after.name, after.steps, after.users) == (before.name, before.steps, before.users)


def test_the_written_files_can_be_read(tmp_path):
    target = "http://127.0.0.1:8000/a?b='c'"
    texts = scaffold.files(target, 'x "y"\x00\n', [openapi.Route("/a", "/a")])
    assert all(file.is_new for file in scaffold.write(tmp_path, texts))
    written = settings.read(tmp_path / settings.FILE)
    assert written.options()["target"] == target
    profile = load_profile(str(tmp_path / written.profile))
    assert (profile.name, profile.duration_seconds) == ("first", 45)


def test_files_that_exist_are_kept(tmp_path):
    (tmp_path / settings.FILE).write_text("# mine\n")
    (tmp_path / scaffold.STACK).mkdir()
    written = [*scaffold.write(tmp_path, scaffold.files("http://a", None, []))]
    assert [file.is_new for file in written] == [False, True, True]
    assert (tmp_path / settings.FILE).read_text() == "# mine\n"
    assert not scaffold.write_stack(tmp_path, "http://a").is_new


@pytest.mark.parametrize(
    ("target", "inside"),
    [
        ("http://127.0.0.1:8123", "http://host.docker.internal:8123"),
        ("http://localhost", "http://host.docker.internal"),
        ("https://api.example.com/v1", "https://api.example.com/v1"),
    ],
)
def test_the_stack_plays_the_projects_load(tmp_path, target, inside):
    scaffold.write_stack(tmp_path, target)
    lines = (tmp_path / scaffold.STACK / ".env").read_text().splitlines()
    assert f"LOAD_TARGET={inside}" in lines
    assert "LOCUSTFILE=/yours/locustfile.py,load/firedrill_plugin.py" in lines
    assert (tmp_path / scaffold.STACK / "exporters/locust_exporter/plugin.py").is_file()
    assert not [*(tmp_path / scaffold.STACK / "secrets").glob("grafana*")]
