"""An attempt with a call that exceeds the allowance: it does not count, and loses no response."""

import json

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, builtin_kinds
from services.shared.prices import Price, Prices
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.allowance import Allowance
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.items.attempts.item_runner import ItemRunner
from services.worker.items.quarantine.reports import outcome_of, report_of

TWO_PROMPTS = {"prompts": {"a": "{x}", "b": "{x}!"}, "model": "m", "max_output_tokens": 10}
SPEC = results_pb2.JobSpec(job_id="j", kind="llm.complete", params=json.dumps(TWO_PROMPTS))


class Counting:
    name = "counting"

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def complete(self, request, usage: jobs_pb2.Usage) -> Completion:
        self.calls.append(request.messages[0].content)
        usage.call_count += 1
        usage.output_tokens += 10
        return Completion("ok")

    def take_remaining(self, model):
        return None


def runner_of(provider):
    prices = Prices({"m": Price(0, 0, 1_000_000)})
    admission = CallAdmission(provider, MemoryCooldowns(lambda: 0.0), 100)
    return ItemRunner(builtin_kinds(), admission, "m", lambda: 0.5, prices=prices)


async def test_a_held_back_attempt_does_not_count_and_reports_the_price_it_wants():
    provider = Counting()
    item = results_pb2.LeasedItem(input='{"x": "y"}', attempt_count=2)
    outcome = await runner_of(provider).run(SPEC, item, Allowance(15))
    assert (outcome.needed_micros, outcome.attempt_count, outcome.job_failed) == (10, 2, False)
    assert (outcome.usage.call_count, outcome.usage.cost_micros) == (1, 10)
    assert not outcome.failed_attempts
    assert outcome_of(report_of(outcome)).needed_micros == 10


async def test_calls_paid_for_before_it_was_held_back_are_not_repeated():
    provider = Counting()
    runner = runner_of(provider)
    item = results_pb2.LeasedItem(input='{"x": "y"}')
    first = await runner.run(SPEC, item, Allowance(15))
    item.usage.CopyFrom(first.usage)
    second = await runner.run(SPEC, item, Allowance(10))
    assert second.error is None
    assert sorted(provider.calls) == ["y", "y!"]
    assert second.usage.cost_micros == 20


async def test_with_a_budget_a_model_without_a_price_fails_the_job():
    spec = results_pb2.JobSpec(job_id="j", kind="llm.complete", params='{"prompt": "{x}", "model": "theirs"}')
    outcome = await runner_of(Counting()).run(
        spec, results_pb2.LeasedItem(input='{"x": 1}'), Allowance(10_000)
    )
    assert outcome.job_failed
    assert outcome.error is not None
    assert outcome.error.reason == "PRICE_UNKNOWN"
