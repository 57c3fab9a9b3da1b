"""The storm finds calls that were made twice, and only the death of a worker excuses them."""

import pytest

from tests.chaos.calls import Call, Death, find_repeats, to_calls

ITEM = ("s1-1", 7)
RECORDED = {ITEM: 1000.0}


def call(begin, caller="worker-1", outcome="answered"):
    return Call(caller, f"Posting {ITEM[0]}/{ITEM[1]}: Controller", begin, begin + 0.1, outcome)


def test_one_call_per_item_is_not_a_repeat():
    repeats = find_repeats([call(1)], [], RECORDED)
    assert (repeats.call_count, repeats.wrong, repeats.too_late) == (1, [], [])


@pytest.mark.parametrize("outcome", ["429", "500", "hung", "reset", "broken_body"])
def test_a_call_after_a_failure_of_the_provider_is_not_a_repeat(outcome):
    repeats = find_repeats([call(2), call(1, outcome=outcome)], [], RECORDED)
    assert (repeats.wrong, repeats.failure_counts) == ([], {outcome: 1})


@pytest.mark.parametrize("outcome", ["answered", "broken_off", ""])
def test_a_second_call_without_a_failure_or_a_death_is_wrong(outcome):
    assert len(find_repeats([call(1, outcome=outcome), call(2)], [], RECORDED).wrong) == 1


def test_a_second_call_by_the_survivor_is_excused_by_the_death_of_the_first_caller_alone():
    calls = [call(1, "worker-1"), call(9, "worker-2")]
    death, other = Death("worker-1", 1.05, 1.05), Death("worker-2", 1.05, 1.05)
    assert find_repeats(calls, [other, death], RECORDED).excused == {death: 1}
    assert len(find_repeats(calls, [other], RECORDED).wrong) == 1


def test_a_death_excuses_neither_calls_begun_after_it_nor_repeats_before_it():
    death = Death("worker-1", 5.0, 5.0)
    assert len(find_repeats([call(6), call(9, "worker-2")], [death], RECORDED).wrong) == 1
    assert len(find_repeats([call(1), call(2, "worker-2")], [death], RECORDED).wrong) == 1


def test_a_worker_that_is_cut_off_may_continue_calling_until_it_is_healed():
    death = Death("worker-1", 5.0, 65.0)
    assert find_repeats([call(20), call(40, "worker-2")], [death], RECORDED).excused == {death: 1}


def test_a_call_after_its_result_was_recorded_is_too_late_whichever_worker_died():
    calls = [call(999.5), call(1002.0, "worker-2")]
    repeats = find_repeats(calls, [Death("worker-1", 999.9, 999.9)], RECORDED)
    assert len(repeats.too_late) == 1


def test_a_frozen_worker_that_wakes_sends_at_once_what_it_had_begun_of_its_own_and_nothing_else():
    death = Death("worker-1", 5.0, 5.0, {ITEM}, wake_time=65.0)
    recorded = {ITEM: 40.5}
    by_others = call(40, "worker-2")
    at_once = find_repeats([by_others, call(65.1)], [death], recorded)
    assert (at_once.wrong, at_once.too_late, at_once.sent_late) == ([], [], {death: 1})
    later = find_repeats([by_others, call(66.5)], [death], recorded)
    assert (len(later.wrong), len(later.too_late)) == (1, 1)
    death.leased_items.clear()
    not_leased = find_repeats([by_others, call(65.1)], [death], recorded)
    assert (len(not_leased.wrong), len(not_leased.too_late)) == (1, 1)


def test_takeover_is_the_first_call_of_another_worker_for_an_item_of_the_dead_one():
    death = Death("worker-1", 5.0, 5.0, {ITEM})
    elsewhere = Call("worker-2", "Posting s1-2/7: Controller", 6.0, 6.1, "answered")
    assert death.takeover_seconds([elsewhere, call(4), call(5.5), call(12, "worker-2")]) == 7.0
    assert death.takeover_seconds([elsewhere]) is None


def test_prompts_that_are_not_of_a_storm_are_ignored():
    rows = [["worker-1", "Hello", 1.0, 2.0, "answered"], list(call(1))]
    assert to_calls(rows) == [call(1)]
