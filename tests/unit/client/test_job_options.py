"""Job options: together or one by one, in both clients, in estimates and on the command line."""

import asyncio
import inspect
from datetime import UTC, datetime, timedelta
from typing import Unpack, get_type_hints

import pytest

from headrace import Client, InvalidArgumentError, JobClass, JobOptions, SyncClient
from headrace._cli.job_flags import JobFlags
from headrace.jobs.v1 import jobs_pb2

START = datetime(2030, 1, 31, 18, tzinfo=UTC)
ALL = JobOptions(
    job_class=JobClass.BULK,
    max_failed_ratio=0.25,
    max_parallelism=3,
    schedule_time=START,
    job_timeout=timedelta(hours=2),
    item_timeout=timedelta(minutes=15),
    call_timeout=timedelta(seconds=30),
    cache_responses=True,
    budget_micros=5_000_000,
    trial_count=20,
    retention=timedelta(days=7),
)
SENT = jobs_pb2.JobOptions(
    job_class="JOB_CLASS_BULK",
    max_failed_ratio=0.25,
    max_parallelism=3,
    schedule_time=START,
    job_timeout=timedelta(hours=2),
    item_timeout=timedelta(minutes=15),
    call_timeout=timedelta(seconds=30),
    cache_responses=True,
    budget_micros=5_000_000,
    trial_count=20,
    retention=timedelta(days=7),
)
FLAGS = [
    "--class=bulk",
    "--max-failed-ratio=0.25",
    "--max-parallelism=3",
    "--schedule-time=2030-01-31T18:00:00+00:00",
    "--job-timeout=2h",
    "--item-timeout=15m",
    "--call-timeout=30s",
    "--cache-responses",
    "--budget=5",
    "--trial=20",
    "--retention=7d",
]
CALLS = ["submit", "estimate"]


def calls_of(client_class):
    return [getattr(client_class, call) for call in CALLS]


def test_options_are_named_like_the_fields_of_the_protos():
    assert list(JobOptions.__annotations__) == [field.name for field in jobs_pb2.JobOptions.DESCRIPTOR.fields]


def test_every_option_has_a_flag_of_the_command_line():
    assert list(JobFlags.__annotations__) == list(JobOptions.__annotations__)


def test_these_tests_give_every_option():
    assert list(ALL) == list(JobOptions.__annotations__)
    assert len(SENT.ListFields()) == len(FLAGS) == len(ALL)


@pytest.mark.parametrize("call", [*calls_of(Client), *calls_of(SyncClient)])
def test_editors_read_the_options_from_the_signature(call):
    parameters = inspect.signature(call).parameters
    assert parameters["keywords"].kind is inspect.Parameter.VAR_KEYWORD
    assert get_type_hints(call)["keywords"] == Unpack[JobOptions]
    assert get_type_hints(call)["options"] == JobOptions | None


@pytest.mark.parametrize("call", CALLS)
async def test_options_given_together_and_one_by_one_make_the_same_request(client, gateway, call):
    await getattr(client, call)("noop", [1], options=ALL)
    await getattr(client, call)("noop", [1], **ALL)
    assert [request.options for request in gateway.requests] == [SENT, SENT]


@pytest.mark.parametrize("call", CALLS)
async def test_the_sync_client_sends_the_same_options(sync_client, gateway, call):
    for options in ({"options": ALL}, ALL):
        await asyncio.to_thread(getattr(sync_client, call), "noop", [1], **options)
    assert [request.options for request in gateway.requests] == [SENT, SENT]


@pytest.mark.parametrize("more", [[], ["--validate-only"]], ids=["submit", "estimate"])
async def test_the_flags_of_the_command_line_send_the_same_options(cli, gateway, tmp_path, more):
    items = tmp_path / "items.jsonl"
    items.write_text("1\n")
    done = await cli.run("submit", "noop", "--items", str(items), *FLAGS, *more)
    assert (done.code, done.err) == (0, "")
    (request,) = gateway.requests
    assert request.options == SENT
    assert request.validate_only == bool(more)


@pytest.mark.parametrize("call", CALLS)
async def test_a_keyword_overrides_the_same_option_given_together(client, gateway, call):
    await getattr(client, call)("noop", [1], options=ALL, max_parallelism=7, job_class="interactive")
    (request,) = gateway.requests
    assert request.options.max_parallelism == 7
    assert request.options.job_class == jobs_pb2.JOB_CLASS_INTERACTIVE
    assert request.options.budget_micros == 5_000_000


async def test_none_means_the_default(client, gateway):
    await client.submit("noop", [1], options=ALL, **dict.fromkeys(ALL))
    assert not gateway.requests[0].options.ListFields()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("given", [{"priority": 9}, {"options": {"priority": 9}}], ids=["alone", "together"])
async def test_an_unknown_option_is_a_type_error_that_names_the_known_ones(client, gateway, call, given):
    with pytest.raises(TypeError, match=r"unknown job option: priority; .*job_class.*budget_micros"):
        await getattr(client, call)("noop", [1], **given)
    assert gateway.requests == []


@pytest.mark.parametrize("name", ALL)
async def test_a_value_that_cannot_be_sent_is_named_by_its_option(client, gateway, name):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.submit("noop", [1], options={**ALL, name: ["wrong"]})
    (violation,) = caught.value.violations
    assert violation.field == name
    assert gateway.requests == []


async def test_a_job_shows_the_options_that_are_set(client, gateway, make_job, job_id):
    gateway.jobs = [make_job(options=SENT)]
    assert (await client.get(job_id)).options == ALL
    gateway.jobs = [make_job(options=jobs_pb2.JobOptions(max_failed_ratio=0.0))]
    assert (await client.get(job_id)).options == JobOptions(max_failed_ratio=0.0)


async def test_the_command_line_shows_the_options_of_a_job_as_json(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(options=SENT)]
    (job,) = (await cli.run("get", job_id, "--json")).objects
    assert job["options"] == {
        "job_class": "BULK",
        "max_failed_ratio": 0.25,
        "max_parallelism": 3,
        "schedule_time": "2030-01-31T18:00:00Z",
        "job_timeout": "7200s",
        "item_timeout": "900s",
        "call_timeout": "30s",
        "cache_responses": True,
        "budget_micros": 5_000_000,
        "trial_count": 20,
        "retention": "604800s",
    }
