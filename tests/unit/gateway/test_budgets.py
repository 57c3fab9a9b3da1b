"""Estimates and budgets of jobs, as a client sees them."""

import json

import pytest

from headrace.gateway.v1.gateway_pb2 import JobEstimate, PauseJobRequest, ResumeJobRequest, SubmitJobRequest
from headrace.jobs.v1.jobs_pb2 import JobOptions
from headrace.kinds import Kind, builtin_kinds, validate_params
from headrace.kinds.noop import NoopParams
from services.gateway.requests.job_prices import JobPrices
from services.shared.prices import Price, Prices, read_prices

COMPLETE = builtin_kinds()["llm.complete"]
# A token costs a millionth of a dollar.
PRICES = JobPrices(Prices({"m": Price(1_000_000, 500_000, 1_000_000)}), "m")


async def estimate(params, *items, kind=COMPLETE, prices=PRICES):
    validated = validate_params(kind, json.dumps(params))
    return await prices.estimate(kind, validated, [json.dumps(item) for item in items])


def classify(model="gpt-4o-mini", budget_micros=None, **fields):
    params = {"labels": ["a", "b"], "template": "{x}", "model": model}
    options = JobOptions(budget_micros=budget_micros)
    return SubmitJobRequest(
        kind="llm.classify",
        params=json.dumps(params),
        items=['{"x": "some text"}'] * 3,
        options=options,
        **fields,
    )


async def test_an_estimate_has_the_calls_tokens_and_cost_of_all_items():
    found = await estimate({"prompt": "{x}", "max_output_tokens": 50}, {"x": "y" * 40}, {"x": "y" * 80})
    assert found == JobEstimate(
        call_count=2, input_tokens=14 + 24, output_tokens=100, cost_micros=14 + 24 + 100
    )


@pytest.mark.parametrize(
    ("tier", "factor"), [(None, 1), ("flex", 0.5), ("priority", 3), ("auto", 3), ("theirs", 1)]
)
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("llm.complete", {"prompt": "{x}"}),
        ("llm.classify", {"template": "{x}", "labels": ["a", "b"]}),
    ],
)
async def test_an_estimate_counts_the_service_tier_that_the_job_asks_for(kind, params, tier, factor):
    def times(number):
        return Price(*(int(number * micros) for micros in (1_000_000, 500_000, 1_000_000)))

    prices = JobPrices(
        Prices({"m": times(1)._replace(service_tiers={"flex": times(0.5), "priority": times(3)})}), "m"
    )
    params = {**params, "max_output_tokens": 50, **({"service_tier": tier} if tier else {})}
    found = await estimate(params, {"x": "y" * 40}, kind=builtin_kinds()[kind], prices=prices)
    assert found.cost_micros == -(-(found.input_tokens + found.output_tokens) * factor // 1)


async def test_every_prompt_of_an_item_is_a_call():
    found = await estimate({"prompts": {"a": "{x}", "b": "{x}!"}, "system": "s"}, {"x": "y"})
    assert found.call_count == 2


async def test_an_item_that_will_fail_before_any_call_costs_nothing():
    assert (await estimate({"prompt": "{x}"}, {"z": 1}, {"x": 1})).call_count == 1


async def test_items_that_will_fail_are_grouped_by_reason_with_the_first_as_example():
    items = [{"z": 1}, {"x": 1}, {"z": 2}, {"x": "y" * 5_000_000}]
    found = await estimate({"prompt": "{x}"}, *items)
    assert found.failing_item_count == 3
    missing, too_large = found.failing_groups
    assert (missing.reason, missing.item_count, missing.first_item_index) == ("FIELD_MISSING", 2, 0)
    assert (too_large.reason, too_large.item_count, too_large.first_item_index) == ("PROMPT_TOO_LARGE", 1, 3)
    assert "x" in missing.first_message


async def test_a_model_without_a_price_leaves_only_the_cost_unset():
    found = await estimate({"prompt": "{x}", "model": "theirs"}, {"x": 1})
    assert not found.HasField("cost_micros")
    assert found.call_count == 1
    assert found.input_tokens > 0


async def test_a_job_that_names_no_model_is_estimated_by_the_default_one():
    prices = JobPrices(read_prices(), "gpt-4o")
    cheap = await estimate({"prompt": "{x}", "model": "gpt-4o-mini"}, {"x": 1}, prices=prices)
    default = await estimate({"prompt": "{x}"}, {"x": 1}, prices=prices)
    assert default.cost_micros > cheap.cost_micros


async def test_a_kind_without_an_estimate_has_no_cost():
    kind = Kind(name="theirs", description="", params_model=NoopParams, run=COMPLETE.run)
    assert await estimate({}, 1, 2, kind=kind) == JobEstimate()


async def test_a_job_without_calls_costs_nothing():
    assert await estimate({}, 1, 2, kind=builtin_kinds()["noop"]) == JobEstimate(cost_micros=0)


async def test_validating_only_stores_nothing_and_returns_the_estimate(gateway, results):
    response = await gateway.stub.SubmitJob(classify(validate_only=True))
    assert not response.HasField("job")
    assert response.estimate.call_count == 3
    assert response.estimate.cost_micros > 0
    assert not results.requests["CreateJobs"]


async def test_validating_only_names_wrong_fields_too(gateway, failure_of):
    request = SubmitJobRequest(kind="llm.classify", params="{}", items=["1"], validate_only=True)
    failure = await failure_of(gateway.stub.SubmitJob(request))
    assert [violation.field for violation in failure.violations] == ["params.labels", "params.template"]


async def test_an_upload_cannot_be_validated_only(gateway, failure_of):
    request = SubmitJobRequest(kind="noop", upload=True, validate_only=True)
    failure = await failure_of(gateway.stub.SubmitJob(request))
    assert [violation.field for violation in failure.violations] == ["validate_only"]


async def test_a_budget_goes_to_the_store_and_is_part_of_the_content(gateway, results):
    await gateway.stub.SubmitJob(classify(budget_micros=5_000))
    await gateway.stub.SubmitJob(classify())
    with_budget, without = (request.jobs[0] for request in results.requests["CreateJobs"])
    assert with_budget.options.budget_micros == 5_000
    assert not without.options.HasField("budget_micros")
    assert with_budget.content_hash != without.content_hash


@pytest.mark.parametrize("budget", [0, -1])
async def test_a_budget_of_nothing_is_refused(gateway, failure_of, budget):
    failure = await failure_of(gateway.stub.SubmitJob(classify(budget_micros=budget)))
    assert [violation.field for violation in failure.violations] == ["options.budget_micros"]


async def test_a_budget_is_refused_if_the_price_of_the_model_is_unknown(gateway, failure_of):
    failure = await failure_of(gateway.stub.SubmitJob(classify(model="theirs", budget_micros=5_000)))
    assert [violation.field for violation in failure.violations] == ["options.budget_micros"]
    assert "theirs" in failure.message


async def test_a_new_budget_goes_to_the_store_with_the_resume(gateway, results, submit):
    job = await submit(gateway)
    await gateway.stub.PauseJob(PauseJobRequest(job_id=job.job_id))
    await gateway.stub.ResumeJob(ResumeJobRequest(job_id=job.job_id, budget_micros=70))
    await gateway.stub.ResumeJob(ResumeJobRequest(job_id=job.job_id))
    first, second = results.requests["ResumeJob"]
    assert first.budget_micros == 70
    assert not second.HasField("budget_micros")
