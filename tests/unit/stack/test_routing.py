"""Scaling Alertmanager's configuration keeps its routing and shortens its times.

It redirects the webhooks.
"""

import pytest
from ruamel.yaml import YAML

from firedrill import places
from firedrill.alerts.scaling.routing import scale_routing
from firedrill.errors import BadInput

OURS = (places.PROMETHEUS / "alertmanager.yml").read_text()
RECEIVER = "http://127.0.0.1:1234/"


def read(text):
    return YAML(typ="safe").load(text)


def test_scaling_changes_only_times_and_webhooks():
    before, after = read(OURS), read(scale_routing(OURS, 12, RECEIVER))
    times = {
        key: after["route"].pop(key) for key in ("group_wait", "group_interval", "repeat_interval")
    }
    assert times == {"group_wait": "2500ms", "group_interval": "25s", "repeat_interval": "1200s"}
    assert [receiver["webhook_configs"][0]["url"] for receiver in after.pop("receivers")] == [
        f"{RECEIVER}{name}" for name in ("page", "ticket", "log")
    ]
    del before["receivers"]
    for key in times:
        del before["route"][key]
    assert after == before


def test_factor_one_changes_only_the_spelling_of_times():
    assert read(scale_routing(OURS, 1))["receivers"] == read(OURS)["receivers"]
    assert "# One outage, seen from both sides, is one page." in scale_routing(OURS, 1)


def test_only_a_wait_of_zero_stays_zero():
    route = read(
        scale_routing(
            "route: {group_wait: 30s, routes: [{group_wait: 0s}, {repeat_interval: 5m}]}\n", 1000
        )
    )["route"]
    assert route == {
        "group_wait": "1s",
        "routes": [{"group_wait": "0s"}, {"repeat_interval": "1s"}],
    }


def test_receivers_of_others_stay_as_they_are():
    theirs = (
        "route: {receiver: mine}\nreceivers:\n  - name: mine\n"
        "    webhook_configs: [{url: 'https://example.com/hook'}, {url_file: /secret}]\n"
    )
    assert read(scale_routing(theirs, 12, RECEIVER)) == read(theirs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("route: [", "line 1: "),
        ("- a", "line 1: no mapping; expected an Alertmanager configuration"),
        ("receivers: []", "line 1: no route; expected an Alertmanager configuration"),
        ("route: {routes: 3}", "routes is no list of mappings"),
        (
            "route: {}\nreceivers: [{webhook_configs: [3]}]",
            "webhook_configs is no list of mappings",
        ),
        (
            "route: {group_wait: soon}",
            "soon is no duration; expected one such as 1h30m, 15s or 250ms",
        ),
    ],
)
def test_a_malformed_configuration_is_an_error(text, message):
    with pytest.raises(BadInput) as caught:
        scale_routing(text, 12)
    assert message in str(caught.value)
