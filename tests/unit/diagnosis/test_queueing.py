"""Queueing formulas against published values."""

import math

import pytest

from firedrill.diagnosis import queueing


@pytest.mark.parametrize(
    ("servers", "utilisation", "probability"),
    [
        (1, 0.7, 0.7),  # M/M/1: the probability of waiting is the utilisation
        (2, 0.9, 0.8526),  # 2r^2 / (1 + r)
        (3, 0.9, 0.8171),
        (5, 0.8, 0.5541),
        (10, 0.8, 0.4092),
        (20, 0.9, 0.5508),
    ],
)
def test_erlang_c_agrees_with_its_tables(servers, utilisation, probability):
    """Hillier and Lieberman, Introduction to Operations Research, and Sakasegawa (1977)."""
    erlangs = servers * utilisation
    assert queueing.wait_probability(servers, erlangs) == pytest.approx(probability, abs=5e-5)


@pytest.mark.parametrize(("workers", "milliseconds"), [(16, 95), (18, 40), (20, 19), (22, 7)])
def test_the_wait_shrinks_with_every_worker(workers, milliseconds):
    wait = queueing.wait_quantile(0.99, workers, 248, 0.0555)
    assert wait * 1000 == pytest.approx(milliseconds, abs=1)


def test_too_few_servers_let_everybody_wait_for_ever():
    assert queueing.wait_probability(4, 13.8) == 1
    assert math.isinf(queueing.wait_quantile(0.99, 13, 248, 0.0555))


def test_one_server_waits_as_m_m_1_does():
    """P(wait > t) = r exp(-(m - l) t)."""
    wait = queueing.wait_quantile(0.99, 1, 8.0, 0.1)
    assert 0.8 * math.exp(-(10 - 8) * wait) == pytest.approx(0.01)


@pytest.mark.parametrize(("aim", "servers"), [(0.05, 18), (0.02, 20), (0.1, 16)])
def test_the_fewest_servers_keep_the_wait(aim, servers):
    assert queueing.servers_for_wait(0.99, aim, 248, 0.0555) == servers


@pytest.mark.parametrize(("rate", "servers"), [(248, 14), (1, 1), (18.0, 1), (36.1, 3)])
def test_the_load_needs_at_least_its_busy_servers(rate, servers):
    assert queueing.servers_at_least(rate, 0.0555) == servers
