"""Estimates and budgets, in the client and on the command line."""

import asyncio

import pytest
import typer

from headrace import JobEstimate, PauseReason
from headrace._cli.dollars import read_dollars
from headrace._submitting import submission
from headrace.errors import InvalidArgumentError


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n2\n")
    return str(path)


async def test_an_estimate_is_asked_for_and_nothing_is_submitted(client, gateway):
    found = await client.estimate("noop", [1, 2], {"sleep_ms": 1}, budget_micros=9)
    assert found == JobEstimate(call_count=2, input_tokens=20, output_tokens=2, cost_micros=14)
    (request,) = gateway.requests
    assert (request.validate_only, request.options.budget_micros, request.params) == (
        True,
        9,
        '{"sleep_ms":1}',
    )
    assert gateway.jobs == []


async def test_items_that_no_request_can_carry_are_estimated_in_several(client, gateway, monkeypatch):
    monkeypatch.setattr("headrace._submitting.estimation.MAX_REQUEST_ITEMS", 2)
    found = await client.estimate("noop", (item for item in range(5)))
    assert (found.call_count, found.cost_micros) == (5, 35)
    assert [list(request.items) for request in gateway.requests] == [["0", "1"], ["2", "3"], ["4"]]


async def test_items_are_estimated_by_their_bytes_too(client, gateway):
    large = "x" * (submission.MAX_REQUEST_BYTES // 5)
    assert (await client.estimate("noop", [large] * 6)).call_count == 6
    assert len(gateway.requests) == 2
    assert max(request.ByteSize() for request in gateway.requests) <= submission.MAX_REQUEST_BYTES


async def test_where_no_price_is_known_the_cost_is_none(client, gateway):
    gateway.item_micros = None
    assert (await client.estimate("noop", [1])).cost_micros is None


async def test_a_budget_is_sent_and_a_job_shows_it(client, gateway, make_job, job_id):
    await client.submit("noop", [1], budget_micros=5_000_000_000)
    assert gateway.requests[0].options.budget_micros == 5_000_000_000
    await client.submit("noop", [1])
    assert not gateway.requests[1].options.HasField("budget_micros")
    gateway.jobs = [make_job(budget_micros=7)]
    assert (await client.get(job_id)).budget_micros == 7


async def test_a_budget_that_no_request_holds_is_named(client, gateway):
    for wrong in ("5", 2**63, 0.5):
        with pytest.raises(InvalidArgumentError) as raised:
            await client.submit("noop", [1], budget_micros=wrong)
        assert [violation.field for violation in raised.value.violations] == ["budget_micros"]
    assert gateway.requests == []


async def test_a_job_is_resumed_with_a_higher_budget(client, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="PAUSED", pause_reason="PAUSE_REASON_BUDGET")]
    assert (await client.get(job_id)).pause_reason is PauseReason.BUDGET
    await client.resume(job_id, budget_micros=70)
    assert gateway.requests[-1].budget_micros == 70
    await client.resume(job_id)
    assert not gateway.requests[-1].HasField("budget_micros")


async def test_the_client_for_code_without_a_loop_has_the_same(sync_client, gateway, make_job, job_id):
    found = await asyncio.to_thread(sync_client.estimate, "noop", (item for item in range(2)))
    assert (found.call_count, gateway.jobs) == (2, [])
    gateway.jobs = [make_job()]
    await asyncio.to_thread(sync_client.resume, job_id, budget_micros=9)
    assert gateway.requests[-1].budget_micros == 9


async def test_a_budget_is_written_in_dollars(cli, gateway, rows, make_job, job_id):
    assert (await cli.run("submit", "noop", "--items", rows, "--budget", "1.25")).code == 0
    assert gateway.requests[-1].options.budget_micros == 1_250_000
    gateway.jobs = [make_job()]
    assert (await cli.run("resume", job_id, "--budget", "$2")).code == 0
    assert gateway.requests[-1].budget_micros == 2_000_000


@pytest.mark.parametrize("wrong", ["five", "-1", "1e3", "1,000", ""])
def test_a_text_that_is_not_an_amount_of_dollars_is_bad_use(wrong):
    with pytest.raises(typer.BadParameter):
        read_dollars(wrong)


def test_an_amount_is_read_to_the_millionth_and_no_further():
    assert [read_dollars(text) for text in ("5", "0.25", "$1.50", "0.0000019")] == [
        5_000_000,
        250_000,
        1_500_000,
        1,
    ]


async def test_validate_only_prints_what_a_job_would_take(cli, gateway, rows):
    done = await cli.run("submit", "noop", "--items", rows, "--validate-only")
    assert done.code == 0
    assert done.out.splitlines() == [
        "calls      2",
        "tokens     20 in, 2 out",
        "cost       0.0000 US dollars",
    ]
    gateway.item_micros = None
    done = await cli.run("submit", "noop", "--items", rows, "--validate-only", "--json")
    assert done.objects == [
        {
            "call_count": 2,
            "input_tokens": 20,
            "output_tokens": 2,
            "cost_micros": None,
            "failing_item_count": 0,
            "failing_groups": [],
        }
    ]
    assert gateway.jobs == []


async def test_get_shows_what_a_job_has_cost_and_may_cost(cli, gateway, make_job, job_id):
    job = make_job(state="PAUSED", pause_reason="PAUSE_REASON_BUDGET", budget_micros=2_000_000)
    job.usage.cost_micros = 1_999_000
    gateway.jobs = [job]
    done = await cli.run("get", job_id)
    assert "cost       1.9990 of 2.0000 US dollars" in done.out
    assert "paused by  BUDGET" in done.out
