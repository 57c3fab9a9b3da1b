"""The checks of `make real-model` hold and break as they should."""

import json
from types import SimpleNamespace

import pytest

from headrace import Failure, Usage
from headrace.reasons import ErrorReason
from tests.real_model.checks import (
    check_broken_off,
    check_items,
    check_rate,
    check_server,
    check_usage,
)
from tests.real_model.jobs import Run
from tests.real_model.model_server import Tokens
from tests.real_model.proxy import Call

ITEMS = {"first": ("llm.classify", 0), "second": ("llm.classify", 1)}
KILL = 100.0
COUNT = 50


@pytest.fixture
def make_call():
    def make(text, begin=10.0, end=11.0, outcome="answered"):
        body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
        return Call(begin, body, end, outcome, Tokens(10, 4, 2) if outcome == "answered" else Tokens())

    return make


def make_result(index, *, calls=1, reason=None, attempt_reasons=()):
    reasons = [*attempt_reasons, *([reason] if reason else [])]
    return SimpleNamespace(
        item_index=index,
        error=Failure(reason, "") if reason else None,
        attempt_count=len(attempt_reasons) + 1,
        failed_attempts=[SimpleNamespace(error=Failure(each, "")) for each in reasons],
        usage=Usage(
            call_count=calls, input_tokens=10 * calls, output_tokens=2 * calls, cached_tokens=4 * calls
        ),
    )


def make_run(*results, complete=()):
    usages = [result.usage for result in results]
    total = Usage(
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
    )
    jobs = {"llm.classify": SimpleNamespace(usage=total), "llm.complete": SimpleNamespace(usage=Usage())}
    return Run(jobs, COUNT, {"llm.classify": list(results), "llm.complete": list(complete)})


def full_run(**first):
    classified = [make_result(0, **first), *(make_result(index) for index in range(1, COUNT))]
    return make_run(*classified, complete=[make_result(index) for index in range(COUNT)])


def test_items_may_fail_by_their_label_alone():
    assert check_items(full_run(reason=ErrorReason.LABEL_UNKNOWN))[0].holds
    assert not check_items(full_run(reason=ErrorReason.PROVIDER_UNREACHABLE))[0].holds


def test_a_missing_item_breaks_a_check():
    assert not check_items(make_run(make_result(0)))[0].holds
    assert [check.holds for check in check_items(full_run())] == [True, None, True]


def test_only_the_first_faults_of_an_outage_may_use_up_attempts():
    lost = full_run(attempt_reasons=[ErrorReason.PROVIDER_UNREACHABLE])
    assert not check_items(lost)[2].holds
    assert check_items(lost, outage_workers=2)[2].holds
    twice = full_run(attempt_reasons=[ErrorReason.PROVIDER_UNREACHABLE] * 2)
    assert not check_items(twice, outage_workers=2)[2].holds
    timed_out = full_run(attempt_reasons=[ErrorReason.PROVIDER_TIMEOUT])
    assert not check_items(timed_out, outage_workers=2)[2].holds


def test_a_call_left_by_its_client_is_broken_off_unless_a_worker_was_killed_then(make_call):
    run, left = full_run(), make_call("first", KILL - 1, KILL + 0.1, "client left")
    assert not check_broken_off(run, [left]).holds
    assert check_broken_off(run, [left], KILL).holds
    assert not check_broken_off(run, [make_call("first", KILL + 6, KILL + 7, "client left")], KILL).holds


def test_tokens_of_all_answers_are_those_of_the_jobs(make_call):
    run = make_run(make_result(0, calls=2), make_result(1))
    calls = [make_call("first"), make_call("first"), make_call("second")]
    assert check_usage(run, calls, ITEMS).holds
    assert not check_usage(run, calls[1:], ITEMS).holds


def test_an_answer_may_be_uncounted_only_if_its_item_was_in_flight_at_the_kill_of_a_worker(make_call):
    run = make_run(make_result(0), make_result(1))
    calls = [make_call("first"), make_call("second"), make_call("first", KILL - 3, KILL - 0.2)]
    assert not check_usage(run, calls, ITEMS).holds
    excused = check_usage(run, calls, ITEMS, KILL)
    assert excused.holds
    assert "llm.classify 0 (10+2)" in excused.text
    early = [make_call("first"), make_call("second"), make_call("first", KILL - 9, KILL - 8)]
    assert not check_usage(run, early, ITEMS, KILL).holds


def test_a_server_may_count_more_than_its_answers_only_for_calls_in_flight(make_call):
    answered, in_flight = [make_call("first")], [ITEMS["second"]]
    assert check_server("server", Tokens(10, 4, 2), answered).holds
    assert not check_server("server", Tokens(15, 4, 2), answered).holds
    more = check_server("server", Tokens(15, 4, 2), answered, in_flight)
    assert more.holds
    assert more.text.endswith("in flight at a kill: llm.classify 1")
    assert not check_server("server", Tokens(9, 4, 2), answered, in_flight).holds


def test_a_low_rate_breaks_the_check_only_on_a_quiet_machine():
    assert check_rate(9.5, [10.0, 10.0], load=0.1).holds is True
    assert check_rate(8.0, [10.0, 10.0], load=0.1).holds is False
    assert check_rate(8.0, [10.0, 10.0], load=3.0).holds is None
    assert check_rate(8.0, [10.0, 12.0], load=0.1).holds is None
