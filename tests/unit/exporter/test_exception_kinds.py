"""Exceptions of the user's code by kind, bounded in number and length."""

import asyncio
import json
from pathlib import Path

from locust_exporter.counting.exception_kinds import (
    MAX_CHARACTERS,
    MAX_KINDS,
    ExceptionKinds,
    summed,
)

HERE = Path(__file__).name


def raised(action):
    try:
        action()
    except Exception as error:  # noqa: BLE001 -- it is what is tested
        return error
    raise AssertionError("nothing was raised")


def fail(number=0):
    raise ValueError(f"number {number}\nof many")


def test_the_place_is_in_the_users_code():
    """The innermost frame is in the standard library."""
    kinds = ExceptionKinds()
    kinds.add("task", raised(lambda: json.loads("{")))
    kinds.add("task", raised(lambda: asyncio.run(None)))
    places = [row["place"] for row in kinds.rows()]
    assert all(place.startswith(f"{HERE}:") for place in places)
    assert len(set(places)) == 2


def test_equal_kinds_are_counted_with_the_first_message():
    kinds = ExceptionKinds()
    for number in range(3):
        kinds.add("request", raised(lambda number=number: fail(number)))
    (row,) = kinds.rows()
    assert (row["source"], row["type"], row["count"]) == ("request", "ValueError", 3)
    assert row["message"] == "number 0 of many"


def test_kinds_and_texts_are_bounded():
    kinds = ExceptionKinds()
    kinds.add("task", raised(lambda: fail("x" * 1000)))
    for number in range(2 * MAX_KINDS):
        kinds.add("task", type(f"Error{number}", (Exception,), {})())
    rows = kinds.rows()
    assert len(rows) == MAX_KINDS + 1
    assert (rows[0]["source"], rows[0]["count"]) == ("other", MAX_KINDS + 1)
    assert {len(row["message"]) for row in rows} == {0, MAX_CHARACTERS}


def test_an_exception_that_has_no_text_is_counted():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    kinds = ExceptionKinds()
    kinds.add("task", Mute("\ud800"))
    assert kinds.rows()[0] | {"place": ""} == {
        "source": "task",
        "type": "Mute",
        "message": "",
        "place": "",
        "count": 1,
    }


def test_processes_are_added_up():
    row = {"source": "task", "type": "KeyError", "message": "'id'", "place": "my.py:3", "count": 2}
    assert summed([[row], [row | {"message": "'x'", "count": 5}]]) == [row | {"count": 7}]
