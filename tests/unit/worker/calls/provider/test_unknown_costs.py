"""A budget holds with answers that do not say what they cost."""

import orjson
import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import ItemFailedError, Message, RetryableError
from services.shared.prices import Price, Prices
from services.stand_in import Fault
from services.worker.calls.allowance import Allowance
from services.worker.calls.costs import CallCosts, CallMeter
from services.worker.calls.provider import CompletionRequest

# As the default model: 0.15 dollars for a million tokens in, 0.60 for a million out.
PRICES = Prices({"m": Price(150_000, 75_000, 600_000)})
BUDGET_MICROS = 3_000
ASK = CompletionRequest("m", (Message("user", "Title: General Counsel. " * 10),), None, None)
CHOICE = {"message": {"content": "Sales"}, "finish_reason": "stop"}


async def run_items(provider, count):
    """Calls once for each of the items, and returns how many ended and what all of them cost."""
    allowance, usage, costs = Allowance(BUDGET_MICROS), jobs_pb2.Usage(), CallCosts(PRICES)
    done = 0
    for _ in range(count):
        try:
            with CallMeter(costs, "job", usage, allowance).counted(ASK) as spent:
                await provider.complete(ASK, spent)
        except RetryableError as error:
            if error.reason == "ALLOWANCE_SPENT":
                break
        except ItemFailedError:
            pass
        done += 1
    return done, usage


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [CHOICE]},
        {"choices": [CHOICE], "usage": None},
        {"choices": [CHOICE], "usage": {}},
        {"choices": [CHOICE], "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
        {"choices": [CHOICE], "usage": {"prompt_tokens": "many", "completion_tokens": "few"}},
        {"choices": [CHOICE], "usage": {"prompt_tokens": -1, "completion_tokens": -1}},
        {"choices": [CHOICE], "usage": {"total_tokens": 70}},
        {"choices": [CHOICE], "usage": "70 tokens"},
        {"choices": [CHOICE | {"finish_reason": "content_filter"}]},
        {"choices": [CHOICE | {"finish_reason": "tool_calls", "message": {"content": None}}]},
        {"choices": []},
        "not an object",
    ],
)
async def test_a_budget_holds_without_a_readable_usage(provider, stand_in, body):
    stand_in.behaviour.fail_all = Fault(body=orjson.dumps(body).decode())
    done, usage = await run_items(provider, 60)
    assert 0 < done < 60
    assert done == usage.call_count == stand_in.counts.call_count
    assert 0 < usage.cost_micros <= BUDGET_MICROS


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 600.0, "completion_tokens": 50.0},
        {"prompt_tokens": "600", "completion_tokens": "50"},
        {"prompt_tokens": 600, "total_tokens": 650},
    ],
)
async def test_tokens_in_other_forms_cost_exactly_what_they_say(provider, stand_in, usage):
    stand_in.behaviour.fail_all = Fault(body=orjson.dumps({"choices": [CHOICE], "usage": usage}).decode())
    done, used = await run_items(provider, 10)
    assert (done, used.input_tokens, used.output_tokens) == (10, 6_000, 500)
    assert used.cost_micros == 10 * 120


@pytest.mark.parametrize("fault", [Fault(429), Fault(503), Fault(400), Fault(disconnect=True)])
async def test_a_call_that_was_not_answered_costs_nothing(provider, stand_in, fault):
    stand_in.behaviour.fail_all = fault
    done, usage = await run_items(provider, 5)
    assert (done, usage.call_count, usage.cost_micros) == (5, 5, 0)
