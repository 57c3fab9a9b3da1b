"""Updates, deletions, trials and params, in the client and on the command line."""

import asyncio
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headrace import FailureGroup, JobTrial, PauseReason
from headrace.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

TRIAL = jobs_pb2.JobTrial(
    item_count=20, estimated_cost_micros=4_210_000, low_cost_micros=3_900_000, high_cost_micros=4_600_000
)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"title": "Cook"}\n{"title": "Nurse"}\n{"name": "x"}\n')
    return str(path)


async def test_an_update_names_the_given_fields(client, gateway, make_job, job_id):
    gateway.jobs = [make_job()]
    changes = {"labels": {"a": "1"}, "job_class": "bulk", "budget_micros": None, "job_timeout": 60}
    changed = await client.update(job_id, name="n", if_change_seq=5, resume=True, **changes)
    assert changed.name == "n"
    (sent,) = gateway.requests
    assert sorted(sent.update_mask.paths) == sorted(["name", *changes])
    assert (sent.if_change_seq, sent.resume, dict(sent.labels)) == (5, True, {"a": "1"})
    assert (sent.job_class, sent.job_timeout) == (jobs_pb2.JOB_CLASS_BULK, Duration(seconds=60))
    assert not sent.HasField("budget_micros")


async def test_a_change_that_no_request_can_hold_is_named(client, job_id):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.update(job_id, job_class="slow", max_parallelism="x", retention="soon")
    named = {violation.field for violation in caught.value.violations}
    assert named == {"job_class", "max_parallelism", "retention"}
    with pytest.raises(TypeError, match="colour"):
        await client.update(job_id, colour="red")


async def test_a_job_is_deleted(client, gateway, make_job, job_id):
    gateway.jobs = [make_job()]
    with pytest.raises(FailedPreconditionError) as caught:
        await client.delete(job_id)
    assert caught.value.reason == "JOB_NOT_ENDED"
    await client.delete(job_id, force=True)
    with pytest.raises(NotFoundError):
        await client.delete(job_id)


async def test_params_are_read_back_as_a_value_or_as_text(client, gateway, make_job, job_id):
    gateway.jobs, gateway.params = [make_job()], '{"a":  1e5}'
    assert await client.params(job_id) == {"a": 100_000}
    text = await client.params(job_id, as_text=True)
    await client.submit("noop", [1], text)
    assert gateway.requests[-1].params == text == gateway.params


async def test_the_synchronous_client_has_the_same_calls(sync_client, gateway, make_job, job_id):
    gateway.jobs = [make_job()]
    assert (await asyncio.to_thread(sync_client.update, job_id, name="n")).name == "n"
    assert await asyncio.to_thread(sync_client.params, job_id) == {}
    await asyncio.to_thread(sync_client.delete, job_id, force=True)
    assert not gateway.jobs


async def test_a_job_shows_its_trial_and_its_end(client, gateway, make_job, job_id):
    paused = {"pause_reason": "PAUSE_REASON_TRIAL", "trial": TRIAL, "labels": {"a": "1"}, "change_seq": 9}
    gateway.jobs = [make_job(state="PAUSED", purge_time=Timestamp(seconds=1_800_000_000), **paused)]
    job = await client.get(job_id)
    assert job.pause_reason is PauseReason.TRIAL
    assert job.trial == JobTrial(20, 4_210_000, 3_900_000, 4_600_000)
    assert (job.labels, job.change_seq, job.purge_time.year) == ({"a": "1"}, 9, 2027)
    gateway.jobs[0].trial.CopyFrom(jobs_pb2.JobTrial(item_count=2))
    assert (await client.get(job_id)).trial == JobTrial(2)


async def test_a_trial_and_a_retention_are_options(client, gateway):
    await client.submit("noop", [1], trial_count=3, retention=timedelta(days=7))
    options = gateway.requests[0].options
    assert (options.trial_count, options.retention.seconds) == (3, 7 * 86_400)


async def test_an_estimate_says_which_items_will_fail(client, gateway, monkeypatch):
    monkeypatch.setattr("headrace._submitting.estimation.MAX_REQUEST_ITEMS", 2)
    gateway.failing = [
        jobs_pb2.FailureGroup(reason="FIELD_MISSING", item_count=1, first_item_index=1, first_message="no x")
    ]
    estimate = await client.estimate("noop", range(6))
    assert estimate.failing_item_count == 3
    assert estimate.failing_groups == (FailureGroup("FIELD_MISSING", 3, 1, "no x"),)


async def test_update_on_the_command_line(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job()]
    flags = ["--name", "n", "--label", "a=1", "--label", "b=", "--class", "bulk", "--max-parallelism", "2"]
    flags += ["--budget", "5", "--retention", "7d", "--clear", "job-timeout", "--if-change-seq", "3"]
    done = await cli.run("update", job_id, *flags)
    assert done.code == 0, done.err
    assert "name       n" in done.out
    (sent,) = gateway.requests
    assert (dict(sent.labels), sent.budget_micros, sent.if_change_seq) == ({"a": "1", "b": ""}, 5_000_000, 3)
    assert "job_timeout" in sent.update_mask.paths
    assert not sent.HasField("job_timeout")


@pytest.mark.parametrize("flags", [[], ["--label", "a"], ["--clear", "kind"]])
async def test_an_update_without_a_proper_change_is_bad_use(cli, job_id, flags):
    assert (await cli.run("update", job_id, *flags)).code == 2


async def test_delete_on_the_command_line(cli, gateway, make_job, job_id):
    other = job_id.replace("1", "2")
    gateway.jobs = [make_job(state="FAILED"), make_job(job_id=other)]
    done = await cli.run("delete", job_id, other)
    assert (done.code, done.out) == (4, "")
    assert "JOB_NOT_ENDED" in done.err
    assert [job.job_id for job in gateway.jobs] == [other]
    assert (await cli.run("delete", other, "--force")).code == 0
    assert not gateway.jobs


async def test_get_prints_the_trial_and_what_to_do_next(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(state="PAUSED", pause_reason="PAUSE_REASON_TRIAL", trial=TRIAL)]
    done = await cli.run("get", job_id)
    assert "20 items ran; all cost about 4.2100 US dollars (3.9000 to 4.6000)" in done.out
    assert f"headrace resume {job_id}" in done.out


async def test_get_prints_the_params(cli, gateway, make_job, job_id):
    gateway.jobs, gateway.params = [make_job()], '{"a":\n 1e5}'
    done = await cli.run("get", job_id, "--params")
    assert (done.code, done.out) == (0, '{"a":  1e5}\n')


async def test_submit_starts_from_another_job(cli, gateway, make_job, job_id, rows):
    options = jobs_pb2.JobOptions(
        job_class="JOB_CLASS_BULK", max_failed_ratio=0.25, max_parallelism=3, trial_count=5
    )
    options.schedule_time.FromSeconds(1_800_000_000)
    gateway.jobs, gateway.params = [make_job(kind="llm.classify", options=options)], '{"a":  1e5}'
    done = await cli.run("submit", "--like", job_id, "--items", rows, "--max-parallelism", "7")
    assert done.code == 0, done.err
    (sent,) = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    assert (sent.kind, sent.params, sent.options.max_parallelism) == ("llm.classify", gateway.params, 7)
    assert (sent.options.job_class, sent.options.trial_count) == (jobs_pb2.JOB_CLASS_BULK, 5)
    assert not sent.options.HasField("schedule_time")
    assert (await cli.run("submit", "--items", rows)).code == 2


async def test_submit_shows_the_prompts_of_the_first_items_and_sends_all_items(cli, gateway, rows):
    params = '{"labels": ["a", "b"], "template": "Title: {title}"}'
    done = await cli.run("submit", "llm.classify", "--items", rows, "--params", params, "--show-prompts", "3")
    assert done.code == 0, done.err
    assert "item 0\n  system:\n" in done.err
    assert "  user:\n    Title: Cook\n" in done.err
    assert "Title: Nurse" in done.err
    assert "item 2 will fail: FIELD_MISSING" in done.err
    assert len(done.out.splitlines()) == 1
    stored = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    assert len(stored) == 1


async def test_prompts_are_json_lines_if_asked(cli, gateway, rows):
    params = '{"prompts": {"a": "1 {title}", "b": "2 {title}"}, "system": "s"}'
    flags = ["--params", params, "--show-prompts", "1", "--validate-only", "--json"]
    done = await cli.run("submit", "llm.complete", "--items", rows, *flags)
    assert done.code == 0, done.err
    prompts, estimate = done.objects
    assert prompts == {
        "item_index": 0,
        "prompts": [
            [{"role": "system", "content": "s"}, {"role": "user", "content": f"{number} Cook"}]
            for number in (1, 2)
        ],
    }
    assert estimate["call_count"] == 3


async def test_prompts_of_a_kind_that_is_not_installed_are_left_out(cli, rows):
    done = await cli.run("submit", "mine", "--items", rows, "--show-prompts", "1")
    assert done.code == 0
    assert "not installed here" in done.err


async def test_an_estimate_prints_the_reasons_of_failing_items(cli, gateway, rows):
    gateway.failing = [
        jobs_pb2.FailureGroup(reason="FIELD_MISSING", item_count=2, first_item_index=1, first_message="no x")
    ]
    done = await cli.run("submit", "noop", "--items", rows, "--validate-only")
    assert "failing    2 items" in done.out
    assert "2 FIELD_MISSING, such as item 1: no x" in done.out
