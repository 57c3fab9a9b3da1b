"""Commands that take several job ids, and the wait for their ends."""

import asyncio
import io
import signal

import grpc
import pytest

from headrace._cli.many.wait_progress import WaitProgress
from headrace._messages.conversion import to_job
from headrace.errors import NotFoundError
from headrace.gateway.v1 import gateway_pb2

IDS = [f"0190b0f0-0000-7000-8000-00000000000{number}" for number in range(1, 4)]


@pytest.fixture
def jobs(gateway, make_job):
    gateway.jobs = [make_job(job_id=each) for each in IDS]
    return IDS


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("get", "RUNNING"),
        ("cancel", "CANCELLING"),
        ("pause", "PAUSED"),
        ("resume", "RUNNING"),
        ("retry", "PENDING"),
    ],
)
async def test_several_jobs_are_a_table_in_the_order_of_their_ids(cli, jobs, command, state):
    done = await cli.run(command, *reversed(jobs))
    header, *rows = done.out.splitlines()
    assert (done.code, done.err, header.split()[0]) == (0, "", "JOB_ID")
    assert [row.split()[0] for row in rows] == [*reversed(jobs)]
    assert {row.split()[2] for row in rows} == {state}


async def test_one_job_keeps_all_its_fields(cli, jobs):
    done = await cli.run("cancel", jobs[0])
    assert done.out.splitlines()[0] == f"job        {jobs[0]}"


async def test_several_jobs_in_json_are_lines(cli, jobs):
    assert [job["job_id"] for job in (await cli.run("pause", *jobs, "--json")).objects] == jobs


async def test_a_job_that_does_not_exist_is_named_and_the_others_are_changed(cli, gateway, jobs):
    missing = "0190b0f0-0000-7000-8000-00000000000f"
    done = await cli.run("cancel", jobs[0], missing, jobs[1])
    assert done.code == 4
    assert [row.split()[0] for row in done.out.splitlines()[1:]] == jobs[:2]
    assert done.err == f"error: {missing}: JOB_NOT_FOUND: there is no job with this id\n"
    assert len(gateway.requests_of(gateway_pb2.CancelJobRequest)) == 3


async def test_without_a_gateway_several_jobs_are_one_error(cli, jobs):
    done = await cli.run("cancel", *jobs, "--target", "127.0.0.1:1")
    assert (done.code, done.out, len(done.err.splitlines())) == (3, "", 1)


async def test_more_jobs_than_calls_at_once_keep_their_order(cli, gateway, make_job):
    ids = [f"0190b0f0-0000-7000-8000-{number:012}" for number in range(50)]
    gateway.jobs = [make_job(job_id=each) for each in ids]
    assert (await cli.run("get", *ids, "-o", "name")).out.split() == ids


async def test_wait_ends_when_all_have_ended_and_prints_each(cli, gateway, make_job):
    gateway.script(make_job(1, job_id=IDS[0]), make_job(2, "SUCCEEDED", succeeded=3, job_id=IDS[0]))
    gateway.script(make_job(1, job_id=IDS[1]), make_job(2, "SUCCEEDED", succeeded=3, job_id=IDS[1]))
    done = await cli.run("wait", *IDS[:2])
    assert done.code == 0
    assert sorted(line.split("  ")[0] for line in done.out.splitlines()) == IDS[:2]
    assert all("SUCCEEDED: 3 of 3 items done" in line for line in done.out.splitlines())


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
async def test_wait_exits_1_if_one_did_not_succeed(cli, gateway, make_job, state):
    gateway.script(make_job(2, state, job_id=IDS[0]))
    gateway.script(make_job(2, "SUCCEEDED", job_id=IDS[1]))
    done = await cli.run("wait", *IDS[:2], "--json")
    assert done.code == 1
    assert {job["state"] for job in done.objects} == {state, "SUCCEEDED"}
    assert done.err == ""


async def test_wait_names_a_job_that_does_not_exist_and_waits_for_the_others(cli, gateway, make_job):
    gate = asyncio.Event()
    gateway.script(make_job(1, job_id=IDS[0]), gate=gate, end=NotFoundError("there is no job with this id"))
    gateway.script(make_job(2, "SUCCEEDED", job_id=IDS[1]))
    gate.set()
    done = await cli.run("wait", *IDS[:2], "-q")
    assert done.code == 4
    assert "SUCCEEDED" in done.out
    assert "JOB_NOT_FOUND" in done.err
    assert len(done.err.splitlines()) == 1


async def test_wait_survives_a_break_of_the_stream(cli, gateway, make_job, job_id):
    gateway.script(make_job(1), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(2, "SUCCEEDED"))
    assert (await cli.run("wait", job_id)).code == 0


async def test_wait_for_the_same_job_twice_is_one_wait(cli, gateway, make_job, job_id):
    gateway.script(make_job(2, "SUCCEEDED"))
    done = await cli.run("wait", job_id, job_id)
    assert (done.code, len(done.out.splitlines())) == (0, 1)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signals_end_a_wait_with_a_word_on_how_to_wait_again(
    cli, gateway, make_job, job_id, signum, code
):
    gateway.script(make_job(1), hold=True)
    process = await cli.start("wait", job_id)
    await process.stderr.readline()
    process.send_signal(signum)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (code, b"")
    assert err.decode() == f"detached; the jobs continue. To wait again: headrace wait {job_id}\n"


@pytest.mark.parametrize("command", [["watch"], ["wait"], ["submit", "noop", "--watch", "--items"]])
async def test_quiet_commands_show_no_progress(cli, gateway, make_job, job_id, command, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("1\n")
    gateway.script(make_job(1), make_job(2, succeeded=1), make_job(3, "SUCCEEDED", succeeded=3))
    done = await cli.run(*command, str(rows) if "submit" in command else job_id, "--quiet")
    assert (done.code, done.err) == (0, "")
    assert "SUCCEEDED: 3 of 3" in done.out


async def test_quiet_does_not_hide_errors(cli, gateway, job_id):
    done = await cli.run("watch", job_id, "-q")
    assert (done.code, len(done.err.splitlines())) == (4, 1)


def test_the_progress_of_a_wait_comes_once_a_second_and_counts_jobs_and_items(make_job):
    now, stream = [100.0], io.StringIO()
    with WaitProgress(2, quiet=False, stream=stream, clock=lambda: now[0]) as progress:
        progress.show(to_job(make_job(1, total=10, succeeded=1, job_id=IDS[0])))
        progress.show(to_job(make_job(1, total=1000, succeeded=5, job_id=IDS[1])))
        now[0] += 1.5
        progress.show(to_job(make_job(2, "FAILED", 10, 3, job_id=IDS[0])))
    assert stream.getvalue().splitlines() == [
        "waiting    0 of 2 jobs ended, 1/10 items done",
        "waiting    1 of 2 jobs ended, 8/1,010 items done",
    ]
