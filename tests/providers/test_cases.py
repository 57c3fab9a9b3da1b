"""Each case of cases.yaml, through the adapter and the attempts of an item."""

import orjson
import pytest

from services.worker.calls.concurrency import limit
from services.worker.items.attempts.refused_jobs import MAX_REFUSED_ITEMS
from tests.providers.case import Case, read_cases
from tests.providers.playing import KEY, PROMPT, Theatre

CASES = read_cases()
MAX_ATTEMPTS = 5


def cases_of(*outcomes: str, only_passing: bool = False):
    found = [case for case in CASES if case.outcome in outcomes and not (only_passing and case.lasts)]
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in found])


@pytest.fixture(scope="module")
async def theatre():
    theatre = Theatre()
    await theatre.open()
    yield theatre
    await theatre.close()


@pytest.fixture(autouse=True)
def _no_held_slots(monkeypatch):
    monkeypatch.setattr(limit, "_HOLD_LATENCIES", 0)  # rejected calls would keep slots for 2 s


def check_error(case: Case, outcome) -> None:
    assert outcome.error is not None, f"the item succeeded with {outcome.output}"
    assert outcome.error.reason == case.value, outcome.error
    shown = f"{outcome.error.message} {outcome.error.detail}"
    assert KEY not in shown
    assert PROMPT not in shown
    assert case.expect.get("detail", "") in outcome.error.detail
    assert case.expect.get("message", "") in outcome.error.message


def check_usage(case: Case, usage) -> None:
    if "tokens" in case.expect:
        assert [usage.input_tokens, usage.output_tokens, usage.cached_tokens] == case.expect["tokens"]
    match case.expect.get("cost"):
        case "reported":
            assert usage.cost_micros == usage.input_tokens + usage.output_tokens
        case "estimated":
            assert usage.cost_micros > usage.input_tokens + usage.output_tokens
        case "none":
            assert usage.cost_micros == 0


@cases_of("answer")
async def test_an_answer_is_the_items_output(theatre, case):
    play = theatre.begin(case, repeats=True)
    outcome = await play.attempt()
    assert outcome.error is None, outcome.error
    output = orjson.loads(outcome.output)
    assert output["text"] == case.value
    assert output["finish_reason"] == case.expect.get("finish_reason", "stop")
    assert outcome.usage.call_count == 1
    assert list(outcome.usage.answered_models) == case.expect.get("models", [])
    check_usage(case, outcome.usage)


@cases_of("fails")
async def test_an_item_fails_after_one_call(theatre, case):
    play = theatre.begin(case, repeats=True)
    outcome = await play.attempt()
    check_error(case, outcome)
    assert (outcome.retry_delay, outcome.job_failed, outcome.usage.call_count) == (None, False, 1)
    check_usage(case, outcome.usage)


@cases_of("retry", "overload", "outage", "job_refused", only_passing=True)
async def test_an_item_is_attempted_again_after_the_wait_and_succeeds(theatre, case):
    play = theatre.begin(case, repeats=False)
    first = await play.attempt()
    check_error(case, first)
    assert first.retry_delay == pytest.approx(case.expect.get("wait", 0), abs=2)
    check_usage(case, first.usage)
    second = await play.attempt()
    assert second.error is None
    assert (second.attempt_count, second.usage.call_count) == (2, 2)


@cases_of("retry")
async def test_an_item_fails_after_five_calls(theatre, case):
    play = theatre.begin(case, repeats=True)
    outcomes = [await play.attempt() for _ in range(MAX_ATTEMPTS)]
    assert [outcome.retry_delay is None for outcome in outcomes] == [False] * (MAX_ATTEMPTS - 1) + [True]
    check_error(case, outcomes[-1])
    assert not outcomes[-1].job_failed
    assert outcomes[-1].usage.call_count == MAX_ATTEMPTS


@cases_of("overload")
async def test_attempts_that_are_turned_away_do_not_count(theatre, case):
    play = theatre.begin(case, repeats=True)
    outcomes = [await play.attempt(index) for index in range(2) for _ in range(MAX_ATTEMPTS + 1)]
    cooldown_seconds = play.admission.cooldown_seconds(play.model)
    assert None not in [outcome.retry_delay for outcome in outcomes]
    check_error(case, outcomes[-1])
    assert cooldown_seconds == pytest.approx(case.expect.get("wait", 0), abs=2)


@cases_of("outage")
async def test_faults_of_several_items_are_an_outage_in_which_no_call_begins(theatre, case):
    play = theatre.begin(case, repeats=True)
    outcomes = [await play.attempt(index) for index in range(5)]
    assert play.admission.wait_seconds(play.model) > 0
    after = await play.attempt(9)
    for outcome in outcomes:
        check_error(case, outcome)
    assert (after.attempt_count, after.usage.call_count) == (0, 0)
    assert after.error.reason == "PROVIDER_UNREACHABLE"


@cases_of("job_refused")
async def test_the_fifth_refused_item_fails_the_job(theatre, case):
    play = theatre.begin(case, repeats=True)
    outcomes = [await play.attempt(index) for index in range(MAX_REFUSED_ITEMS)]
    assert [outcome.job_failed for outcome in outcomes] == [False] * (MAX_REFUSED_ITEMS - 1) + [True]
    check_error(case, outcomes[-1])


@cases_of("job_refused")
async def test_a_lone_item_that_is_refused_fails_alone(theatre, case):
    play = theatre.begin(case, repeats=True)
    outcomes = [await play.attempt() for _ in range(MAX_ATTEMPTS)]
    assert [outcome.retry_delay is None for outcome in outcomes] == [False] * (MAX_ATTEMPTS - 1) + [True]
    assert not outcomes[-1].job_failed
