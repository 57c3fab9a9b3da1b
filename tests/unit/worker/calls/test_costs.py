"""The cost of calls, and the calls that are held back because an allowance cannot pay for them."""

import contextlib

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import JobFailedError, Message, RequestOptions, RetryableError
from services.shared.prices import Price, Prices
from services.worker.calls.allowance import Allowance
from services.worker.calls.costs import CallCosts, CallMeter, ServedTier
from services.worker.calls.provider.provider import UNKNOWN_COST_MICROS, CompletionRequest, RequestForm

# A token costs a millionth of a dollar. In the tier flex it costs half, in priority twice as much.
TIERS = {"flex": Price(500_000, 250_000, 500_000), "priority": Price(2_000_000, 1_000_000, 2_000_000)}
PRICES = Prices(
    {
        "m": Price(1_000_000, 500_000, 1_000_000),
        "free": Price(0, 0, 0),
        "tiered": Price(1_000_000, 500_000, 1_000_000, TIERS),
    }
)


def ask(text="x" * 40, model="m", max_output_tokens=None, tier=None):
    options = None if tier is None else RequestOptions(fields={"service_tier": tier})
    return CompletionRequest(model, (Message("user", text),), None, max_output_tokens, options=options)


class Job:
    """Calls of one job on one worker."""

    def __init__(self, micros: int | None = None, *, is_remainder: bool = False) -> None:
        self.costs = CallCosts(PRICES)
        self.allowance = None if micros is None else Allowance(micros, is_remainder=is_remainder)
        self.usage = jobs_pb2.Usage()
        self.begin_attempt()

    def begin_attempt(self) -> None:
        self.meter = CallMeter(self.costs, "job", self.usage, self.allowance)

    def call(self, request=None, input_tokens=20, output_tokens=10, cached_tokens=0):
        with self.meter.counted(request or ask()) as usage:
            usage.call_count += 1
            usage.input_tokens += input_tokens
            usage.output_tokens += output_tokens
            usage.cached_tokens += cached_tokens

    @property
    def left(self) -> int:
        assert self.allowance is not None
        return self.allowance.left_micros


def test_a_call_costs_its_tokens_by_the_price_of_its_model():
    job = Job()
    job.call(input_tokens=20, output_tokens=10, cached_tokens=8)
    job.call(input_tokens=20, output_tokens=10)
    assert job.usage == jobs_pb2.Usage(
        call_count=2, input_tokens=40, output_tokens=20, cached_tokens=8, cost_micros=26 + 30
    )


def test_models_that_answered_for_another_one_are_those_of_all_calls():
    job = Job()
    for models in (["m-1"], [], ["m-2", "m-1"]):
        with job.meter.counted(ask()) as usage:
            usage.answered_models.extend(models)
    assert job.usage.answered_models == ["m-1", "m-2"]


def test_a_call_to_a_model_without_a_price_costs_nothing_if_there_is_no_budget():
    job = Job()
    job.call(ask(model="theirs"))
    assert (job.usage.call_count, job.usage.cost_micros) == (1, 0)


def test_with_a_budget_a_call_to_a_model_without_a_price_fails_the_job():
    job = Job(10_000)
    with pytest.raises(JobFailedError) as failed:
        job.call(ask(model="theirs"))
    assert failed.value.reason == "PRICE_UNKNOWN"
    assert job.usage.call_count == 0


def test_a_model_that_costs_nothing_can_be_called_with_nothing_left():
    job = Job(0)
    job.call(ask(model="free"))
    assert job.left == 0


def test_a_call_that_failed_is_counted_and_gives_back_what_it_did_not_cost():
    job = Job(10_000)
    with contextlib.suppress(OSError), job.meter.counted(ask()) as usage:
        usage.call_count += 1
        assert job.left < 10_000
        raise OSError
    assert (job.left, job.usage.call_count) == (10_000, 1)


def test_calls_in_flight_together_take_no_more_than_the_allowance_by_their_highest_prices():
    job = Job(400)
    request = ask("x" * 84, max_output_tokens=100)  # at most 100 tokens in
    with job.meter.counted(request), job.meter.counted(request), pytest.raises(RetryableError) as held_back:
        job.call(request)
    assert held_back.value.reason == "ALLOWANCE_SPENT"
    assert job.meter.needed_micros == 200


def test_what_answers_took_makes_guesses_narrower():
    job = Job(1_100)
    with job.meter.counted(ask()), pytest.raises(RetryableError):
        job.call()  # each may take 1,000 tokens out
    job.call()
    with job.meter.counted(ask()) as first, job.meter.counted(ask()) as second:
        first.output_tokens = second.output_tokens = 1
    assert job.left > 1_000


def test_an_answer_with_a_limit_is_taken_to_reach_it_whatever_others_did():
    job = Job(150)
    job.call(ask(max_output_tokens=50), output_tokens=1)
    assert job.left == 150 - 21
    with pytest.raises(RetryableError):
        job.call(ask(max_output_tokens=130))


def test_with_the_remainder_one_call_at_a_time_may_begin_by_its_likely_price():
    job = Job(30, is_remainder=True)
    with job.meter.counted(ask()) as usage:
        with pytest.raises(RetryableError):
            job.call()
        usage.input_tokens, usage.output_tokens = 14, 10
    assert job.left == 6
    job.begin_attempt()
    with pytest.raises(RetryableError):
        job.call()
    assert job.meter.needed_micros == 24


def test_one_call_at_most_goes_beyond_the_remainder():
    job = Job(30, is_remainder=True)
    job.call(output_tokens=500)
    assert job.left == 30 - 520
    with pytest.raises(RetryableError):
        job.call()
    assert job.usage.call_count == 1


def test_a_part_of_the_rest_is_never_passed_by_a_guess():
    job = Job(30)
    with pytest.raises(RetryableError):
        job.call()
    assert job.usage.call_count == 0


def call_of_unknown_cost(job, request=None, **counts):
    with job.meter.counted(request or ask()) as usage:
        usage.MergeFrom(jobs_pb2.Usage(call_count=1, cost_micros=UNKNOWN_COST_MICROS, **counts))


# 40 bytes and 16 for the envelope, and 1,000 tokens out without a limit.
@pytest.mark.parametrize(
    ("request_", "counts", "cost"),
    [
        (ask(), {}, 56 + 1_000),
        (ask(max_output_tokens=50), {}, 56 + 50),
        (ask(max_output_tokens=50), {"input_tokens": 20}, 56 + 50),
        (ask(max_output_tokens=50), {"output_tokens": 3}, 56 + 50),
        (ask(max_output_tokens=50), {"input_tokens": 20, "output_tokens": 500}, 520),
        (ask("", max_output_tokens=1), {}, 16 + 1),
        (ask(model="free"), {}, 0),
    ],
)
def test_a_call_of_unknown_cost_costs_what_it_took(request_, counts, cost):
    job = Job(10_000)
    call_of_unknown_cost(job, request_, **counts)
    assert (job.left, job.usage.cost_micros) == (10_000 - cost, cost)
    assert job.usage.call_count == 1


def test_a_failed_call_of_unknown_cost_costs_what_it_took():
    job = Job(10_000)
    with contextlib.suppress(RetryableError), job.meter.counted(ask(max_output_tokens=50)) as usage:
        usage.call_count, usage.cost_micros = 1, UNKNOWN_COST_MICROS
        raise RetryableError("BROKEN_ANSWER", "")
    assert job.usage.cost_micros == 106


def test_a_call_of_unknown_cost_that_takes_the_remainder_uses_it_up():
    job = Job(30, is_remainder=True)
    call_of_unknown_cost(job)
    assert (job.left, job.usage.cost_micros) == (0, 30)


def test_a_call_of_unknown_cost_has_its_likely_price_if_there_is_no_budget():
    job = Job()
    call_of_unknown_cost(job)
    call_of_unknown_cost(job, ask(model="theirs"))
    assert (job.usage.call_count, job.usage.cost_micros) == (2, 15)


def test_a_budget_holds_although_no_cost_is_known():
    job = Job(3_000)
    done = 0
    with contextlib.suppress(RetryableError):
        for _ in range(60):
            call_of_unknown_cost(job)
            done += 1
    assert done == 2
    assert job.usage.cost_micros == 2 * 1_056
    assert job.meter.needed_micros == 1_056


@pytest.mark.parametrize(
    ("asked", "served", "cost"),
    [
        (None, "", 30),
        (None, "default", 30),
        (None, "priority", 60),
        ("flex", "", 15),
        ("flex", "flex", 15),
        ("FLEX", "Flex", 15),
        ("priority", "default", 30),
        ("flex", "priority", 60),
        ("auto", "", 30),
        ("auto", "flex", 15),
        ("theirs", "unheard", 30),
    ],
)
def test_a_call_costs_the_tier_that_served_it_or_else_the_one_it_asked_for(asked, served, cost):
    for micros in (None, 10_000):
        job = Job(micros)
        tier = ServedTier()
        with job.meter.counted(ask(model="tiered", tier=asked), tier) as usage:
            usage.input_tokens, usage.output_tokens = 20, 10
            tier.name = served
        assert job.usage.cost_micros == cost
        assert micros is None or job.left == micros - cost


@pytest.mark.parametrize(("asked", "factor"), [(None, 1), ("flex", 0.5), ("priority", 2), ("auto", 2)])
def test_a_call_takes_the_highest_price_of_the_tier_that_it_asks_for(asked, factor):
    job = Job(10_000)
    with job.meter.counted(ask(model="tiered", max_output_tokens=44, tier=asked)):
        assert job.left == 10_000 - 100 * factor


def test_a_call_of_unknown_cost_costs_what_its_tier_took():
    job = Job(10_000)
    with job.meter.counted(ask(model="tiered", max_output_tokens=44, tier="priority")) as usage:
        usage.cost_micros = UNKNOWN_COST_MICROS
    assert job.usage.cost_micros == 200


def test_the_tier_of_the_profile_counts_if_the_job_names_none():
    costs = CallCosts(PRICES, lambda request: RequestForm("", "flex"))
    usage = jobs_pb2.Usage()
    with CallMeter(costs, "job", usage).counted(ask(model="tiered")) as spent:
        spent.input_tokens = 20
    assert usage.cost_micros == 10
