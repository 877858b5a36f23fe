"""Faults are read from words, shown as lines, and reported where they cannot be set."""

import pytest
from click.testing import CliRunner

from firedrill.cli import main
from firedrill.drill.play.fault_schedule import FaultInjector
from firedrill.errors import BadInput, Missing
from firedrill.fault_client import ActiveFault, FaultClient, parse_words
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.profile import FaultStep
from firedrill.profile_form import FaultForm


def test_faults_are_spelled_with_units_and_read_into_base_units():
    words = ("latency=300ms", "errors=20%", "cpu=0.5", "stuck=3", "memory=5MB/s", "stop")
    assert parse_words(words) == {
        "latency": 0.3,
        "errors": 0.2,
        "cpu": 0.5,
        "stuck": 3,
        "memory": 5e6,
        "stop": 1,
    }


def test_every_kind_of_the_contract_can_be_spelled():
    assert set(FaultForm.model_fields) == set(FAULT_KINDS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lat=3s"], "lat=3s: lat is no fault; did you mean latency?"),
        (["stop", "stop"], "stop: stop is given twice; expected it once"),
        (["latency"], "latency is ''; expected a duration such as 30s"),
        (["latency=5"], "latency is 5; expected a duration"),
        (["errors=101%"], "errors is '101%'; expected a percentage"),
        (["cpu=17"], "cpu is 17; expected 16 or less"),
        (["cpu=x"], "cpu is 'x'; expected a number"),
        (["stuck=0"], "stuck is 0; expected more than 0"),
        (["stop=5"], "stop is 5; expected no value but true"),
    ],
)
def test_a_mistake_names_fault_value_and_expectation(words, message):
    with pytest.raises(BadInput) as mistake:
        parse_words(words)
    assert message in str(mistake.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("set latency=1 --for 3s", "latency is 1; expected a duration"),
        ("set stop", "Missing option '--for'"),
        ("set stop --for 2h", "'2h' is not a duration above 0s, 1h at most"),
        ("set --for 3s", "Missing argument"),
        ("list --url nowhere", "nowhere is no address"),
    ],
)
def test_bad_input_is_exit_code_2(words, message):
    done = CliRunner().invoke(main, ["fault", *words.split()])
    assert done.exit_code == 2
    assert message in done.output


def test_an_active_fault_reads_as_a_line():
    assert str(ActiveFault("latency", 0.3, 29.9)) == "latency 300 ms, 30 s left"
    assert str(ActiveFault("memory", 5e6, 2.0)) == "memory 5.0 MB/s, 2.0 s left"
    assert str(ActiveFault("stuck", 1.0, 2.0)) == "stuck 1 worker, 2.0 s left"
    assert str(ActiveFault("cpu", 0.5, 2.0)) == "cpu 0.5 cores, 2.0 s left"
    assert str(ActiveFault("stop", 1.0, 2.0)) == "stop, 2.0 s left"


def test_an_address_at_which_nothing_answers_is_an_error(silent_url):
    with pytest.raises(
        Missing, match="nothing answers; expected the metrics port of a running API"
    ):
        FaultClient(silent_url).active()


@pytest.mark.parametrize("url", ["nowhere", "ftp://x", "http://", "http://[::1"])
def test_a_malformed_address_is_bad_input(url):
    with pytest.raises(BadInput, match="expected a URL"):
        FaultClient(url).active()


def test_a_fault_that_was_not_set_is_a_reason(silent_url):
    """It could not be set, or the load ended before its time."""
    injector = FaultInjector(
        silent_url, [FaultStep(1, 5, {"latency": 0.3}), FaultStep(9, 5, {"stop": 1.0})]
    )
    assert list(injector.follow(0.9)) == []
    (unheard,) = injector.follow(1.1)
    assert unheard.code == "fault_not_set"
    assert "the fault due after 1 s (latency 300 ms) was not set: http://" in unheard.text
    (untimely,) = injector.end()
    assert untimely.text == "the fault due after 9 s (stop) was not set: the load had ended"
    assert injector.injected() == []
