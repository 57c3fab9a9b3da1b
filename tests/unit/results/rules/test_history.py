"""Merges of a history with many events, and its words."""

from itertools import cycle

from headrace.jobs.v1 import jobs_pb2
from services.results.rules.history import (
    EVENTS_KEPT,
    MAX_EVENTS,
    needs_merge,
    one_line,
    plan_merges,
)

PAUSED, RESUMED = jobs_pb2.JOB_CHANGE_PAUSED, jobs_pb2.JOB_CHANGE_RESUMED
RETRIED, LOST = jobs_pb2.JOB_CHANGE_RETRIED, jobs_pb2.JOB_CHANGE_WORKER_LOST


def play(changes, step=1):
    """Stores changes in steps, and returns the counts of the events left, by number, with the most ever."""
    stored, counts, most, number = {}, {}, 0, 0
    while changes:
        new, changes = changes[:step], changes[step:]
        if needs_merge(number, number + len(new)):
            for first, *others in plan_merges(stored):
                counts[first] += sum(counts.pop(other) for other in others)
                for other in others:
                    del stored[other]
        for change in new:
            number += 1
            stored[number], counts[number] = change, 1
        most = max(most, len(stored))
    return stored, counts, most


def test_5000_pauses_and_resumptions_leave_at_most_1000_events_that_count_all():
    kinds = cycle((PAUSED, RESUMED))
    stored, counts, most = play([next(kinds) for _ in range(10_000)])
    assert EVENTS_KEPT < most <= MAX_EVENTS
    for change in (PAUSED, RESUMED):
        numbers = [number for number in stored if stored[number] == change]
        assert sum(counts[number] for number in numbers) == 5_000
        assert {counts[number] for number in numbers[1:]} == {1}, "the oldest are merged into the first"


def test_rare_events_are_not_merged_however_many_others_there_are():
    changes = [RETRIED, LOST, *[PAUSED, RESUMED] * 3_000, LOST]
    stored, _, most = play(changes)
    assert most <= MAX_EVENTS
    assert [number for number in stored if stored[number] in (RETRIED, LOST)] == [1, 2, 6_003]


def test_events_that_come_several_at_once_stay_within_the_limit():
    for step in (2, 3, 7, 20):
        _, counts, most = play([PAUSED, RESUMED, LOST] * 1_400, step)
        assert most <= MAX_EVENTS
        assert sum(counts.values()) == 4_200


def test_a_short_history_is_never_merged():
    stored, _, _ = play([PAUSED, RESUMED] * 499)
    assert len(stored) == 998
    assert plan_merges(dict.fromkeys(range(1, EVENTS_KEPT + 1), PAUSED)) == []


def test_a_text_becomes_one_line_without_control_characters():
    assert one_line("a\n\tb\x00\x1b[1m\u202e c\u2028d", 100) == "a b [1m c d"
    assert one_line("é" * 10, 3) == "ééé"
    assert one_line("\n" * 1_000 + "x", 3) == ""
