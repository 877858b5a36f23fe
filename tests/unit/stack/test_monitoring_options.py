"""A run beside a monitoring that is there already: what is refused, and what is configured."""

import pytest
from ruamel.yaml import YAML

from firedrill.drill.measure.existing_prometheus import QUERIES, ExistingPrometheus
from firedrill.errors import BadInput
from firedrill.stack.remote_write import PASSWORD_FILE, TOKEN_FILE, RemoteWrite


def section(receiver):
    content = YAML(typ="safe").load(receiver.configuration("20261201-launch"))
    return content["remote_write"][0]


def test_every_series_gets_the_run():
    receiver = RemoteWrite.parse("http://mimir:9009/api/v1/push", {})
    assert section(receiver) == {
        "url": "http://mimir:9009/api/v1/push",
        "write_relabel_configs": [{"target_label": "run", "replacement": "20261201-launch"}],
    }


def test_a_secret_stays_in_its_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hush")
    password = RemoteWrite.parse("https://me@host/push", {PASSWORD_FILE: str(secret)})
    assert section(password)["basic_auth"] == {"username": "me", "password_file": str(secret)}
    assert section(password)["url"] == "https://host/push"
    token = RemoteWrite.parse("https://host/push", {TOKEN_FILE: str(secret)})
    assert section(token)["authorization"] == {"credentials_file": str(secret)}


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("mimir:9009", {}),
        ("ftp://mimir/push", {}),
        ("http://", {}),
        ("http://[::1/push", {}),
        ("http://me:hush@host/push", {}),
        ("http://host/push", {TOKEN_FILE: "/nowhere/token"}),
    ],
)
def test_a_receiver_that_is_none_is_refused(url, environment):
    with pytest.raises(BadInput) as refused:
        RemoteWrite.parse(url, environment)
    assert "hush" not in str(refused.value)
    assert "expected" in str(refused.value)


def test_a_query_replaces_the_default_one():
    chosen = ExistingPrometheus.parse(
        "http://host:9090", ["rate=sum(rate(http_requests[$window]))"]
    )
    assert chosen.queries["rate"] == "sum(rate(http_requests[$window]))"
    assert chosen.queries["latency"] == QUERIES["latency"]


@pytest.mark.parametrize(
    ("url", "queries"),
    [("host:9090", []), ("http://host", ["speed=up"]), ("http://host", ["rate"])],
)
def test_a_prometheus_that_is_none_is_refused(url, queries):
    with pytest.raises(BadInput, match="expected"):
        ExistingPrometheus.parse(url, queries)
