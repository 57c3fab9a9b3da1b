"""Workers divide a limit by what they want."""

import pytest

from services.worker.calls.concurrency.fleet import Report, divide, fleet_of
from services.worker.calls.concurrency.round import Round


@pytest.mark.parametrize(
    ("count", "wanted", "parts"),
    [
        (100, {"a": 300, "b": 300}, {"a": 50, "b": 50}),
        (100, {"a": 300, "b": 5, "c": 300}, {"a": 48, "b": 5, "c": 47}),
        (7, {"a": 9, "b": 9, "c": 9, "d": 9}, {"a": 2, "b": 2, "c": 2, "d": 1}),
        (2, {"a": 9, "b": 9, "c": 9}, {"a": 1, "b": 1, "c": 0}),
        (100, {"a": 5, "b": 10}, {"a": 48, "b": 52}),
        (100, {"a": 300}, {"a": 100}),
    ],
)
def test_each_gets_what_it_wants_or_an_equal_part_of_the_rest(count, wanted, parts):
    assert divide(count, sorted((size, name) for name, size in wanted.items())) == parts
    assert sum(parts.values()) == count


def report(**values) -> Report:
    base = {"decision_id": "d", "calls": Round(), "in_use_count": 0, "wanted_count": 300, "ceiling": 300}
    return Report(**(base | values))


def test_only_rounds_after_the_same_decision_are_counted_together():
    others = {
        "b": report(calls=Round(begun_count=3, rejected_count=1)),
        "c": report(calls=Round(begun_count=40), decision_id="earlier"),
    }
    fleet = fleet_of("a", report(), others)
    assert fleet.others == Round(begun_count=3, rejected_count=1)
    assert fleet.counted == {"b": (3, 1)}
    assert (fleet.worker_count, fleet.ceiling) == (3, 900)


def test_a_worker_uses_only_slots_that_the_others_have_left_but_always_one():
    others = {"b": report(in_use_count=80)}
    assert fleet_of("a", report(), others).own_part(100) == 20
    assert fleet_of("a", report(), {"b": report(in_use_count=100)}).own_part(100) == 1
