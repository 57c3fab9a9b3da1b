import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2


async def test_get_prints_every_field_in_json(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(seq=7, succeeded=2)]
    done = await cli.run("get", job_id, "--json")
    assert done.code == 0
    assert done.objects == [
        {
            "job_id": job_id,
            "kind": "noop",
            "state": "RUNNING",
            "job_class": "DEFAULT",
            "create_time": "2027-01-15T08:00:00Z",
            "schedule_time": None,
            "start_time": None,
            "finish_time": None,
            "progress": {"total_count": 3, "succeeded_count": 2, "failed_count": 0, "cancelled_count": 0},
            "usage": {
                "call_count": 2,
                "input_tokens": 20,
                "output_tokens": 2,
                "cached_tokens": 0,
                "cost_micros": 0,
                "answered_models": [],
            },
            "error": None,
            "pause_reason": "UNSPECIFIED",
            "seq": 7,
            "tenant": "default",
            "expire_time": None,
            "budget_micros": None,
            "options": {},
            "name": "",
            "labels": {},
            "change_seq": 0,
            "trial": None,
            "purge_time": None,
        }
    ]


async def test_the_json_form_has_all_fields_of_the_protos(cli, gateway, make_job, make_result, job_id):
    def names(message):
        return {member.name for member in message.DESCRIPTOR.fields}

    live, forecast = jobs_pb2.LiveEvent(incarnation="w1"), jobs_pb2.JobForecast()
    forecast.estimated_remaining.FromMilliseconds(31_500)
    gateway.jobs, gateway.recorded = [make_job()], [(1, make_result(0))]
    gateway.kinds, gateway.workers = [jobs_pb2.Kind(name="noop")], [jobs_pb2.Worker(incarnation="w")]
    gateway.script(
        gateway_pb2.WatchJobResponse(job=make_job(1), live_events=[live], forecast=forecast),
        make_job(2, "SUCCEEDED"),
    )
    (job,) = (await cli.run("get", job_id, "--json")).objects
    (result,) = (await cli.run("results", job_id, "--json")).objects
    (kind,) = (await cli.run("kinds", "--json")).objects
    (worker,) = (await cli.run("workers", "--json")).objects
    event, last = (await cli.run("watch", job_id, "--json")).objects
    assert set(job) == names(jobs_pb2.Job)
    assert set(job["progress"]) == names(jobs_pb2.Progress)
    assert set(result) == names(jobs_pb2.Result)
    assert set(result["usage"]) == names(jobs_pb2.Usage)
    assert set(kind) == names(jobs_pb2.Kind)
    assert set(worker) == names(jobs_pb2.Worker)
    assert set(event) == names(gateway_pb2.WatchJobResponse)
    assert set(event["live_events"][0]) == names(jobs_pb2.LiveEvent)
    assert set(event["forecast"]) == names(jobs_pb2.JobForecast)
    assert event["forecast"]["estimated_remaining"] == "31.500s"
    assert event["forecast"]["estimated_cost_micros"] is None
    assert last["forecast"] is None


async def test_get_shows_people_the_error(cli, gateway, make_job, job_id):
    error = jobs_pb2.Error(reason="PROVIDER_NOT_CONFIGURED", message="no key\nand no \x1b[31murl")
    gateway.jobs = [make_job(state="FAILED", failed=3, error=error)]
    done = await cli.run("get", job_id)
    assert done.code == 0
    assert "error      PROVIDER_NOT_CONFIGURED: no key and no \N{REPLACEMENT CHARACTER}[31murl" in done.out


async def test_get_shows_people_the_models_that_answered(cli, gateway, make_job, job_id):
    job = make_job(seq=7, succeeded=2)
    job.usage.answered_models.extend(["m-2026", "a/b\x1b[31m"])
    gateway.jobs = [job]
    done = await cli.run("get", job_id)
    assert "answered   by m-2026, a/b\N{REPLACEMENT CHARACTER}[31m" in done.out


async def test_an_unknown_job_exits_4(cli, job_id):
    for command in ("get", "watch", "cancel"):
        gone = await cli.run(command, job_id)
        assert (gone.code, gone.out) == (4, ""), command
        assert "JOB_NOT_FOUND" in gone.err


async def test_list_prints_all_pages_and_takes_states_in_any_case(cli, gateway, make_job):
    gateway.jobs = [make_job(state="FAILED" if n % 2 else "RUNNING", job_id=f"job-{n}") for n in range(7)]
    everything = await cli.run("list", "--json")
    assert [job["job_id"] for job in everything.objects] == [f"job-{n}" for n in range(7)]
    failed = await cli.run("list", "--state", "failed", "--state", "Expired", "--kind", "noop", "--json")
    assert [job["job_id"] for job in failed.objects] == ["job-1", "job-3", "job-5"]
    assert [job["job_id"] for job in (await cli.run("list", "--limit", "3", "--json")).objects] == [
        "job-0",
        "job-1",
        "job-2",
    ]
    people = await cli.run("list")
    assert people.out.splitlines()[0].startswith("JOB_ID")
    assert len(people.out.splitlines()) == 8


async def test_list_refuses_an_unknown_state(cli, gateway):
    done = await cli.run("list", "--state", "sleeping")
    assert done.code == 2
    assert "PENDING" in done.err


async def test_an_empty_list_is_not_an_error(cli):
    assert (await cli.run("list", "--json")).out == ""
    assert (await cli.run("list")).code == 0


async def test_watch_in_a_pipe_prints_lines_and_a_summary(cli, gateway, make_job, job_id):
    gateway.script(
        make_job(1, "PENDING"), make_job(2, succeeded=1), make_job(3, "SUCCEEDED", succeeded=2, failed=1)
    )
    done = await cli.run("watch", job_id)
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    pending, running = done.err.splitlines()
    (summary,) = done.out.splitlines()
    assert pending.split() == ["PENDING", "0/3", "failed", "0", "tokens", "0"]
    assert running.startswith("RUNNING    1/3")
    assert summary == "SUCCEEDED: 3 of 3 items done, 1 failed, 22 tokens"


async def test_watch_on_a_terminal_shows_a_bar(cli, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(2, succeeded=2), make_job(3, "SUCCEEDED", succeeded=3))
    cli.env |= {"TERM": "xterm-256color", "COLUMNS": "100"}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = await cli.start("watch", job_id, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = await asyncio.to_thread(read_terminal, ours)
    assert await process.wait() == 0
    assert "\x1b[" in shown
    assert "3/3" in shown
    assert "tokens 33" in shown
    assert "SUCCEEDED: 3 of 3 items done" in shown
    process._transport.close()


def read_terminal(descriptor) -> str:
    chunks = []
    while True:
        try:
            chunks.append(os.read(descriptor, 65536))
        except OSError:  # the last writer closed the terminal
            os.close(descriptor)
            return b"".join(chunks).decode()


async def test_watch_events_come_while_the_job_runs(cli, gateway, make_job, job_id):
    gateway.script(make_job(1), hold=True)
    process = await cli.start("watch", job_id, "--json")
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    assert b'"state":"RUNNING"' in line
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (130, b"")
    assert job_id in err.decode()
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 30)


async def test_ctrl_c_detaches_also_in_the_background_of_a_script(cli, gateway, make_job, job_id):
    gateway.script(make_job(1), hold=True)
    process = await cli.start(
        "watch", job_id, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, _err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    assert out.decode().splitlines()[-1] == job_id


async def test_a_watch_resumes_after_a_break_and_exits_1_when_the_job_failed(cli, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(2), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(3, "FAILED"))
    done = await cli.run("watch", job_id, "--json")
    assert (done.code, done.err) == (1, "")
    assert [event["job"]["seq"] for event in done.objects] == [1, 2, 3]


async def test_results_come_from_all_pages_with_outputs_as_json(cli, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(n, f'{{"n":\n {n}.50}}')) for n in (4, 2, 0, 1, 3)]
    gateway.recorded.append((1, make_result(5, error="LABEL_UNKNOWN")))
    done = await cli.run("results", job_id, "--json")
    assert done.code == 0
    assert [result["item_index"] for result in done.objects] == [0, 1, 2, 3, 4, 5]
    assert done.objects[2]["output"] == {"n": 2.5}
    assert '"output":{"n":  2.50}' in done.out
    assert done.objects[5]["output"] is None
    assert done.objects[5]["error"] == {
        "reason": "LABEL_UNKNOWN",
        "message": "it went wrong",
        "detail": "",
    }
    assert done.objects[5]["state"] == "FAILED"


async def test_only_failed_results_for_people(cli, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(0)), (1, make_result(1, error="TIMEOUT"))]
    assert (await cli.run("results", job_id, "--failed")).out == "1\tFAILED\tTIMEOUT: it went wrong\n"
    assert (await cli.run("results", job_id)).out.splitlines()[0] == '0\tSUCCEEDED\t{"label":"a"}'


async def test_people_see_the_number_of_attempts_and_why_they_failed(cli, gateway, make_result, job_id):
    result = make_result(1, error="BROKEN_ANSWER")
    result.attempt_count = 4
    for number, reason in enumerate(["RATE_LIMITED", "RATE_LIMITED", "\033[2J", "BROKEN_ANSWER"], start=1):
        result.failed_attempts.add(attempt_number=number, error={"reason": reason, "message": "it failed"})
    gateway.recorded = [(1, result)]
    done = await cli.run("results", job_id, "--failed")
    assert done.out == (
        "1\tFAILED\tBROKEN_ANSWER: it went wrong (attempt 4, after 2 times RATE_LIMITED, \ufffd[2J)\n"
    )
    (shown,) = (await cli.run("results", job_id, "--failed", "--json")).objects
    assert shown["failed_attempts"][0] == {
        "attempt_number": 1,
        "error": {"reason": "RATE_LIMITED", "message": "it failed", "detail": ""},
    }


async def test_a_deadline_is_shown(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job(expire_time=Timestamp(seconds=1_800_000_090))]
    assert "expire     2027-01-15T08:01:30Z\n" in (await cli.run("get", job_id)).out


async def test_the_summary_counts_failed_items_by_reason_with_an_example_of_each(
    cli, gateway, make_result, job_id
):
    errors = ["TIMEOUT", "", "LABEL_UNKNOWN", "LABEL_UNKNOWN", "TIMEOUT", "LABEL_UNKNOWN"]
    gateway.recorded = [(1, make_result(index, error=error)) for index, error in enumerate(errors)]
    done = await cli.run("results", job_id, "--summary", "--json")
    shown = {"first_message": "it went wrong", "first_detail": ""}
    assert done.objects == [
        {"reason": reason, "item_count": count, "first_item_index": first} | shown
        for reason, count, first in (("LABEL_UNKNOWN", 3, 2), ("TIMEOUT", 2, 0))
    ]
    people = (await cli.run("results", job_id, "--failed", "--summary")).out.splitlines()
    assert people[0].split() == ["ITEMS", "REASON", "FIRST", "ITEM", "MESSAGE"]
    assert people[1].split() == ["3", "LABEL_UNKNOWN", "2", "it", "went", "wrong"]
    assert len(people) == 3


async def test_the_summary_of_a_job_without_failures_is_empty(cli, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(0))]
    done = await cli.run("results", job_id, "--summary")
    assert (done.code, done.out) == (0, "")


async def test_the_summary_of_a_followed_job_waits_for_its_end(cli, gateway, make_job, make_result, job_id):
    gateway.recorded = [(1, make_result(0, error="TIMEOUT"))]
    gateway.script(make_job(1), make_job(2, "FAILED"))
    done = await cli.run("results", job_id, "--summary", "--follow", "--json")
    assert [group["item_count"] for group in done.objects] == [1]
    assert [type(request).__name__ for request in gateway.requests] == [
        "WatchJobRequest",
        "GetFailuresRequest",
    ]


async def test_failures_are_grouped_with_the_providers_words_on_a_line_of_their_own(
    cli, gateway, make_result, job_id
):
    gateway.recorded = [
        (1, make_result(3, error="BAD", detail="invalid_request:\n\x1b[1mno")),
        (1, make_result(4)),
    ]
    done = await cli.run("failures", job_id, "--json")
    assert done.objects == [
        {
            "reason": "BAD",
            "item_count": 1,
            "first_item_index": 3,
            "first_message": "it went wrong",
            "first_detail": "invalid_request:\n\x1b[1mno",
        }
    ]
    header, row, detail = (await cli.run("failures", job_id)).out.splitlines()
    assert row.split() == ["1", "BAD", "3", "it", "went", "wrong"]
    assert detail.strip() == "invalid_request: \N{REPLACEMENT CHARACTER}[1mno"
    assert header.index("MESSAGE") == detail.index("invalid_request")


async def test_the_providers_words_follow_an_error_on_a_line_of_their_own(
    cli, gateway, make_job, make_result, job_id
):
    error = jobs_pb2.Error(reason="BAD", message="it went wrong", detail="no such model")
    gateway.recorded = [(1, make_result(3, error="BAD", detail="too long"))]
    gateway.jobs = [make_job(state="FAILED", error=error)]
    assert (await cli.run("results", job_id)).out == "3\tFAILED\tBAD: it went wrong\n\t\ttoo long\n"
    assert (await cli.run("results", job_id, "--json")).objects[0]["error"]["detail"] == "too long"
    assert "\ndetail     no such model\n" in (await cli.run("get", job_id)).out
    assert (await cli.run("get", job_id, "--json")).objects[0]["error"]["detail"] == "no such model"
    gateway.script(gateway.jobs[0])
    assert (await cli.run("watch", job_id)).out.splitlines()[-1] == "detail: no such model"


async def test_followed_results_come_each_once_until_the_job_ends(
    cli, gateway, make_job, make_result, job_id
):
    gateway.recorded = [(seq, make_result(index)) for seq, index in enumerate([3, 1, 0, 2], start=1)]
    gateway.script_results(3, end=grpc.StatusCode.UNAVAILABLE)
    gateway.script_results(4, make_job(4, "FAILED"))
    done = await cli.run("results", job_id, "--follow", "--json")
    assert done.code == 0
    assert [result["item_index"] for result in done.objects] == [3, 1, 0, 2]


async def test_a_reader_that_leaves_early_is_not_an_error(cli, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(n, '"' + "x" * 1000 + '"')) for n in range(2000)]
    gateway.page_size = 500
    process = await cli.start("results", job_id, "--json")
    await process.stdout.readline()
    process._transport.get_pipe_transport(1).close()
    err = await asyncio.wait_for(process.stderr.read(), 30)
    assert (await process.wait(), err) == (0, b"")


async def test_an_output_in_letters_that_the_terminal_lacks_is_printed(cli, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(0, '"Köchin \N{GRINNING FACE}"'))]
    cli.env["PYTHONIOENCODING"] = "ascii"
    done = await cli.run("results", job_id)
    assert (done.code, done.out) == (0, '0\tSUCCEEDED\t"K\\xf6chin \\U0001f600"\n')


async def test_ctrl_c_ends_a_followed_read(cli, gateway, make_result, job_id):
    gateway.recorded = [(1, make_result(0))]
    gateway.script_results(1, hold=True)
    process = await cli.start("results", job_id, "--follow")
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b'0\tSUCCEEDED\t{"label":"a"}\n'
    process.send_signal(signal.SIGINT)
    again = f"interrupted; the job continues. To follow again: headrace results {job_id} --follow\n"
    assert await asyncio.wait_for(process.communicate(), 30) == (b"", again.encode())
    assert process.returncode == 130


async def test_cancel_prints_the_job_as_it_is_now(cli, gateway, make_job, job_id):
    gateway.jobs = [make_job()]
    done = await cli.run("cancel", job_id, "--json")
    assert (done.code, done.objects[0]["state"]) == (0, "CANCELLING")


async def test_kinds_and_workers_are_listed(cli, gateway):
    schema = '{"type":"object","properties":{"sleep_ms":{"type":"integer"}}}'
    gateway.kinds = [jobs_pb2.Kind(name="noop", description="Nothing, slowly.", params_schema=schema)]
    gateway.workers = [
        jobs_pb2.Worker(
            incarnation="w1",
            address="127.0.0.1:50061",
            live=True,
            in_flight_count=96,
            in_flight_limit=100,
            leased_item_count=196,
            items_per_second=210.42,
            tokens_per_second=41_000.4,
            limited_count=12,
            cooldown_seconds=3.2,
        ),
        jobs_pb2.Worker(incarnation="w2", address="127.0.0.1:50062"),
    ]
    kinds, workers = await cli.run("kinds", "--json"), await cli.run("workers", "--json")
    assert kinds.objects[0]["params_schema"]["properties"] == {"sleep_ms": {"type": "integer"}}
    assert workers.objects[0]["live"] is True
    assert (await cli.run("kinds")).out == "KIND  DESCRIPTION\nnoop  Nothing, slowly.\n"
    header, busy, idle = (await cli.run("workers")).out.splitlines()
    numbers = ["127.0.0.1:50061", "yes", "96/100", "196", "210.4", "41000", "12", "0:03"]
    assert (busy.split()[:8], busy.split()[-1]) == (numbers, "w1")
    assert idle.split()[:8] == ["127.0.0.1:50062", "no", "0/0", "0", "0.0", "0", "0", "-"]
    assert header.index("INCARNATION") == busy.index("w1")
    assert header.index("  HEARTBEAT") <= 80  # all numbers of a worker fit on a terminal


@pytest.mark.parametrize(
    "command", ["get", "watch", "wait", "results", "failures", "cancel", "pause", "resume", "retry"]
)
async def test_a_command_without_its_job_id_is_bad_use(cli, command):
    done = await cli.run(command)
    assert done.code == 2
    assert "JOB_ID" in done.err


async def test_no_command_shows_the_commands(cli):
    done = await cli.run("--help")
    assert done.code == 0
    for command in (
        "submit", "get", "list", "watch", "results", "failures", "cancel", "pause", "resume", "retry",
        "kinds", "workers",
    ):  # fmt: skip
        assert f"\n  {command} " in done.out
