"""Names, labels and times on the command line."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2


async def test_submit_takes_a_name_and_labels(cli, gateway):
    flags = ["--name", "nightly", "--label", "team=x", "--label", "note=a=b", "--label", "empty="]
    done = await cli.run("submit", "noop", "--items", "-", *flags, stdin="1\n")
    assert done.code == 0, done.err
    (request,) = gateway.requests
    assert request.name == "nightly"
    assert dict(request.labels) == {"team": "x", "note": "a=b", "empty": ""}


@pytest.mark.parametrize(
    ("flags", "words"),
    [(["--label", "team"], "KEY=VALUE"), (["--label", "a=1", "--label", "a=2"], "two values")],
)
@pytest.mark.parametrize("command", [["submit", "noop", "--items", "-"], ["list"], ["watch-jobs"]])
async def test_wrong_labels_are_bad_use(cli, gateway, command, flags, words):
    done = await cli.run(*command, *flags, stdin="1\n")
    assert done.code == 2
    assert words in done.err
    assert not gateway.requests


async def test_list_takes_labels_a_name_and_times(cli, gateway, make_job):
    gateway.jobs = [make_job(name="nightly", labels={"team": "x"})]
    since = ["--since", "2h", "--finished-since", "2030-01-31T18:00:00+02:00"]
    done = await cli.run("list", "--label", "team=x", "--name", "nightly", *since, "--json")
    assert done.code == 0, done.err
    assert done.objects[0]["labels"] == {"team": "x"}
    (request,) = gateway.requests
    assert (dict(request.labels), request.name) == ({"team": "x"}, "nightly")
    ago = datetime.now(UTC) - request.created_after.ToDatetime(tzinfo=UTC)
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=2)
    assert request.finished_after.ToDatetime() == datetime(2030, 1, 31, 16)


@pytest.mark.parametrize("text", ["yesterday", "2030-13-01", "-2h", ""])
async def test_a_wrong_time_is_bad_use(cli, gateway, text):
    done = await cli.run("list", f"--since={text}")
    assert done.code == 2
    assert "not a time" in done.err
    assert not gateway.requests


async def test_get_shows_the_name_and_the_labels(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(name="night\nly", labels={"b": "2", "a": "\x1b[31m"})]
    lines = (await cli.run("get", job_id)).out.splitlines()
    assert "name       night ly" in lines
    assert [line for line in lines if line.startswith("label")] == [
        "label      a=\N{REPLACEMENT CHARACTER}[31m",
        "label      b=2",
    ]


async def read_lines(process, count):
    return [(await asyncio.wait_for(process.stdout.readline(), 20)).decode() for _ in range(count)]


async def test_watch_jobs_prints_a_line_for_each_change_until_ctrl_c(cli, gateway, make_job):
    first = [make_job(1, change_seq=1, succeeded=0), make_job(2, change_seq=1, succeeded=1, job_id="b")]
    progress, end = make_job(2, change_seq=1, succeeded=1), make_job(3, "SUCCEEDED", change_seq=3)
    gone = gateway_pb2.WatchedJob(job=jobs_pb2.Job(job_id="b"), deleted=True)
    gateway.script_jobs(first, [progress], [end, gone], hold=True)
    process = await cli.start("watch-jobs", "--state", "running", "--label", "a=b", "--kind", "noop")
    header, one, two, last, deleted = await read_lines(process, 5)
    assert "STATE" in header
    assert ("RUNNING" in one, "RUNNING" in two, "SUCCEEDED" in last) == (True, True, True)
    assert deleted.split() == ["b", "deleted"]
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 20) == 130
    (request,) = gateway.requests
    assert (list(request.states), dict(request.labels), request.kind) == ([2], {"a": "b"}, "noop")


async def test_watch_jobs_prints_all_in_json_and_continues_after_a_token(cli, gateway, make_job):
    gateway.script_jobs([make_job(1)], [make_job(2)], reset=True, hold=True)
    process = await cli.start("watch-jobs", "--json", "--resume-token", "t7")
    lines = [json.loads(line) for line in await read_lines(process, 2)]
    assert [line["resume_token"] for line in lines] == ["t1", "t2"]
    assert set(lines[0]) == {"job", "resume_token", "left", "deleted"}
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert "changes may be missing" in err.decode()
    assert gateway.requests[0].resume_token == "t7"
