"""Pause, resume, retry and a scheduled start, in the client and on the command line."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from headrace import FailureGroup, PauseReason
from headrace.errors import InvalidArgumentError, NotFoundError, UnavailableError

START = datetime(2030, 1, 31, 18, 0, 0, 250_000, tzinfo=UTC)


async def test_a_job_is_paused_and_resumed(client, gateway, make_job, job_id):
    gateway.jobs = [make_job()]
    paused = await client.pause(job_id)
    assert (paused.state, paused.pause_reason) == ("PAUSED", PauseReason.USER)
    resumed = await client.resume(job_id)
    assert (resumed.state, resumed.pause_reason) == ("RUNNING", PauseReason.UNSPECIFIED)


async def test_a_retry_is_repeated_with_the_same_request_id(client, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="FAILED")]
    gateway.failures = [UnavailableError("away"), UnavailableError("away")]
    assert (await client.retry(job_id)).state == "PENDING"
    names = {request.request_id for request in gateway.requests}
    assert len(gateway.requests) == 3
    assert len(names) == 1
    assert "" not in names
    await client.retry(job_id, request_id="mine")
    assert gateway.requests[-1].request_id == "mine"
    await client.retry(job_id)
    assert gateway.requests[-1].request_id not in names


async def test_a_retry_selects_items_by_reason_and_by_index(client, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="FAILED")]
    await client.retry(job_id, reasons=["BAD", "WORSE"], item_indexes=range(3))
    sent = gateway.requests[-1]
    assert (list(sent.reasons), list(sent.item_indexes)) == (["BAD", "WORSE"], [0, 1, 2])
    await client.retry(job_id, reasons="BAD")
    assert list(gateway.requests[-1].reasons) == ["BAD"]


async def test_failures_are_grouped_by_reason(client, gateway, make_result, job_id):
    gateway.recorded = [
        (1, make_result(0, error="WORSE")),
        (1, make_result(1, error="BAD", detail="no such label")),
        (1, make_result(2, error="BAD")),
    ]
    assert await client.failures(job_id) == [
        FailureGroup("BAD", 2, 1, "it went wrong", "no such label"),
        FailureGroup("WORSE", 1, 0, "it went wrong"),
    ]


@pytest.mark.parametrize("name", ["pause", "resume", "retry"])
async def test_a_job_that_is_not_there_is_not_found(client, gateway, name, job_id):
    with pytest.raises(NotFoundError):
        await getattr(client, name)(job_id)


@pytest.mark.parametrize("start", [START, START.astimezone(timezone(timedelta(hours=-7)))])
async def test_a_wanted_start_is_sent_as_the_instant_that_it_is(client, gateway, start):
    await client.submit("noop", [1], schedule_time=start)
    sent = gateway.requests[0].options.schedule_time
    assert (sent.seconds, sent.nanos) == (int(START.timestamp()), 250_000_000)
    await client.submit("noop", [1])
    assert not gateway.requests[1].options.HasField("schedule_time")


@pytest.mark.parametrize("start", [START.replace(tzinfo=None), "2030-01-31", 5])
async def test_a_start_that_is_not_an_instant_is_named_and_nothing_is_sent(client, gateway, start):
    with pytest.raises(InvalidArgumentError) as raised:
        await client.submit("noop", [1], schedule_time=start)
    assert [violation.field for violation in raised.value.violations] == ["schedule_time"]
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("command", "state"), [("pause", "PAUSED"), ("resume", "RUNNING"), ("retry", "PENDING")]
)
async def test_each_command_prints_the_job_as_it_is_now(cli, gateway, make_job, job_id, command, state):
    gateway.jobs = [make_job()]
    done = await cli.run(command, job_id, "--json")
    assert (done.code, done.objects[0]["state"]) == (0, state)
    done = await cli.run(command, job_id)
    assert (done.code, done.err) == (0, "")
    assert state in done.out


async def test_the_round_of_a_retry_can_be_named(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="FAILED")]
    assert (await cli.run("retry", job_id, "--request-id", "mine")).code == 0
    assert gateway.requests[-1].request_id == "mine"


async def test_the_items_of_a_retry_are_selected(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="FAILED")]
    chosen = ["--reason", "BAD", "--reason", "WORSE", "--item", "7", "--item", "0"]
    assert (await cli.run("retry", job_id, *chosen)).code == 0
    sent = gateway.requests[-1]
    assert (list(sent.reasons), list(sent.item_indexes)) == (["BAD", "WORSE"], [7, 0])


async def test_a_start_is_given_with_its_offset(cli, gateway, tmp_path):
    items = tmp_path / "items.jsonl"
    items.write_text("1\n")
    done = await cli.run(
        "submit", "noop", "--items", str(items), "--schedule-time", "2030-01-31T19:00:00.25+01:00"
    )
    assert (done.code, done.err) == (0, "")
    assert gateway.requests[-1].options.schedule_time.ToMilliseconds() == int(START.timestamp() * 1000)
    for wrong in ("2030-01-31T19:00:00", "tomorrow"):
        done = await cli.run("submit", "noop", "--items", str(items), "--schedule-time", wrong)
        assert done.code == 2
        assert "--schedule-time" in done.err


async def test_a_job_paused_for_refusals_says_what_to_do(cli, gateway, make_job, job_id):
    job = make_job(state="PAUSED", pause_reason="PAUSE_REASON_REFUSALS")
    gateway.jobs = [job]
    done = await cli.run("get", job_id)
    assert "paused by  REFUSALS" in done.out
    assert f"next       headrace failures {job_id}; headrace resume {job_id} runs the other items" in done.out
