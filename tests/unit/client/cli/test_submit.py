import asyncio
import signal
import uuid

import pytest

from headrace.errors import AlreadyExistsError, FieldViolation, InvalidArgumentError, UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"title": "Cook"}\n{"title": "Nurse"}\n')
    return str(path)


async def test_submit_prints_the_job_id_alone(cli, gateway, rows, job_id):
    done = await cli.run("submit", "noop", "--items", rows)
    assert (done.code, done.out, done.err) == (0, f"{job_id}\n", "")
    (request,) = gateway.requests
    assert (request.kind, request.params, len(request.items)) == ("noop", "", 2)
    assert uuid.UUID(request.request_id)
    assert not request.options.ListFields()


async def test_items_and_params_arrive_exactly_as_they_were_written(cli, gateway):
    lines = ['{"n":  1.50, "big": 123456789012345678901234567890}', '"\\u0000 \N{GRINNING FACE}"', "  null  "]
    text = "\ufeff" + lines[0] + "\r\n\n   \n" + lines[1] + "\n" + lines[2]
    done = await cli.run("submit", "noop", "--items", "-", "--params", '{ "sleep_ms": 1.0 }', stdin=text)
    assert done.code == 0
    assert list(gateway.requests[0].items) == [lines[0], lines[1], "null"]
    assert gateway.requests[0].params == '{ "sleep_ms": 1.0 }'


async def test_options_reach_the_gateway(cli, gateway, rows):
    options = ["--request-id", "r1", "--class", "Bulk", "--tenant", "jobs-team", "--max-failed-ratio", "0"]
    done = await cli.run("submit", "noop", "--items", rows, *options, "--max-parallelism", "4")
    assert done.code == 0
    (request,) = gateway.requests
    assert request.request_id == "r1"
    assert (request.options.job_class, request.options.max_parallelism) == (jobs_pb2.JOB_CLASS_BULK, 4)
    assert request.options.HasField("max_failed_ratio")
    assert gateway.metadata[0]["headrace-tenant"] == "jobs-team"


async def test_timeouts_reach_the_gateway(cli, gateway, rows):
    options = ["--job-timeout", "2h", "--item-timeout", "15m", "--call-timeout", "30"]
    assert (await cli.run("submit", "noop", "--items", rows, *options)).code == 0
    (request,) = gateway.requests
    sent = request.options
    lengths = [sent.job_timeout, sent.item_timeout, sent.call_timeout]
    assert [length.seconds for length in lengths] == [7_200, 900, 30]


async def test_cached_responses_are_asked_for_only_with_their_flag(cli, gateway, rows):
    assert (await cli.run("submit", "noop", "--items", rows)).code == 0
    assert (await cli.run("submit", "noop", "--items", rows, "--cache-responses")).code == 0
    assert [request.options.cache_responses for request in gateway.requests] == [False, True]


async def test_a_text_that_is_not_a_duration_is_bad_use(cli, gateway, rows):
    done = await cli.run("submit", "noop", "--items", rows, "--item-timeout", "soon")
    assert (done.code, gateway.requests) == (2, [])
    assert "--item-timeout" in done.err
    assert "90s" in done.err


async def test_options_may_stand_before_the_command(cli, gateway, rows, job_id):
    cli.env["HEADRACE_TARGET"] = "127.0.0.1:1"
    done = await cli.run(
        "--target", gateway.target, "--tenant", "early", "--json", "submit", "noop", "--items", rows
    )
    assert (done.code, done.objects[0]["job_id"]) == (0, job_id)
    assert gateway.metadata[0]["headrace-tenant"] == "early"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}\n\n{"a": \n', "line 3 is not JSON"),
        ("[1]\nNaN\n", "line 2 is not JSON"),
        (b'"ok"\n"\xff"\n', "line 2 is not JSON"),
        ("\n  \n", "has no items"),
        ("", "has no items"),
        ('1\n"' + "x" * 1_100_000 + '"\n', "line 2 exceeds 1 MB"),
        ('1\n"' + "x" * 9_000_000 + '"\n', "line 2 exceeds 1 MB"),
    ],
    ids=["broken", "nan", "not utf-8", "blank", "empty", "large", "huge"],
)
async def test_a_file_that_cannot_be_used_is_refused_and_nothing_is_submitted(cli, gateway, text, expected):
    done = await cli.run("submit", "noop", "--items", "-", stdin=text)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert "nothing was submitted" in done.err
    assert len(done.err.splitlines()) == 1
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--items", "/nowhere/rows.jsonl"], "No such file"),
        (["--items", "ROWS", "--params", "{"], "--params is not JSON"),
        (["--items", "ROWS", "--params", "[1]"], "--params must be a JSON object"),
        (["--items", "ROWS", "--class", "fast"], "INTERACTIVE, DEFAULT, BULK"),
        (["--items", "ROWS", "--max-failed-ratio", "2"], "max-failed-ratio"),
        (["--items", "ROWS", "--tenant", "a\nb"], "tenant"),
        (["--items", "ROWS", "--nonsense"], "--nonsense"),
        ([], "--items"),
    ],
    ids=str,
)
async def test_bad_use_exits_2(cli, gateway, rows, args, expected):
    done = await cli.run("submit", "noop", *[rows if arg == "ROWS" else arg for arg in args])
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert "Traceback" not in done.err
    assert gateway.requests == []


async def test_an_error_that_the_gateway_answered_exits_4_and_names_each_field(cli, gateway, rows):
    violations = [
        FieldViolation("params.labels", "must not be empty"),
        FieldViolation("params.template", "is missing"),
    ]
    gateway.failures = [InvalidArgumentError("2 fields of params are wrong", violations=violations)]
    done = await cli.run("submit", "llm.classify", "--items", rows)
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines() == [
        "error: INVALID_FIELD: 2 fields of params are wrong",
        "  params.labels: must not be empty",
        "  params.template: is missing",
    ]


async def test_a_field_named_in_the_message_is_printed_once(cli, gateway, rows):
    violations = [FieldViolation("kind", "is not known")]
    gateway.failures = [
        InvalidArgumentError("kind: is not known", reason="UNKNOWN_KIND", violations=violations)
    ]
    done = await cli.run("submit", "nope", "--items", rows)
    assert done.err == "error: UNKNOWN_KIND: kind: is not known\n"


async def test_a_reused_request_id_exits_4(cli, gateway, rows):
    gateway.failures = [AlreadyExistsError("the request_id was used with other content")]
    done = await cli.run("submit", "noop", "--items", rows, "--request-id", "r1", "--json")
    assert (done.code, done.out) == (4, "")
    assert "REQUEST_ID_REUSED" in done.err


async def test_a_gateway_that_nobody_runs_exits_3(cli, rows):
    done = await cli.run("submit", "noop", "--items", rows, "--target", "127.0.0.1:1")
    assert (done.code, done.out) == (3, "")
    assert "127.0.0.1:1" in done.err
    assert len(done.err.splitlines()) == 1


async def test_a_store_that_stays_away_exits_4(cli, gateway, rows):
    gateway.failures = [UnavailableError("the store is away", reason="STORE_UNAVAILABLE")] * 100
    done = await cli.run("--timeout", "0.5", "submit", "noop", "--items", rows)
    assert done.code == 4
    assert "STORE_UNAVAILABLE" in done.err


async def test_submit_with_watch_prints_events_and_exits_0_for_a_success(
    cli, gateway, make_job, rows, job_id
):
    gateway.script(make_job(1, "PENDING"), make_job(2, succeeded=1), make_job(3, "SUCCEEDED", succeeded=3))
    done = await cli.run("submit", "noop", "--items", rows, "--watch", "--json")
    assert done.code == 0
    assert [event["job"]["state"] for event in done.objects] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert done.objects[-1]["job"]["job_id"] == job_id
    assert done.objects[-1]["resume_token"] == "token-3"
    assert done.objects[-1]["live_events"] == []


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
async def test_submit_with_watch_exits_1_for_another_end(cli, gateway, make_job, rows, state):
    gateway.script(make_job(1), make_job(3, state))
    done = await cli.run("submit", "noop", "--items", rows, "--watch")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith(state)


async def test_ctrl_c_while_watching_a_submitted_job_detaches(cli, gateway, make_job, rows, job_id):
    gateway.script(make_job(1), hold=True)
    process = await cli.start("submit", "noop", "--items", rows, "--watch")
    await asyncio.wait_for(gateway.held.wait(), 30)
    assert (await process.stdout.readline()).decode().strip() == job_id
    await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    assert out.decode().splitlines()[-1] == job_id
    assert f"headrace watch {job_id}" in err.decode()
    assert not gateway.requests_of(gateway_pb2.CancelJobRequest)


async def test_ctrl_c_before_the_response_prints_how_to_find_the_job(cli, gateway, monkeypatch, rows):
    asked = asyncio.Event()

    async def silent(request, context):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(gateway, "_begin", silent)
    process = await cli.start("submit", "noop", "--items", rows, "--request-id", "mine")
    await asyncio.wait_for(asked.wait(), 30)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (130, b"")
    assert "--request-id mine" in err.decode()
    assert "Traceback" not in err.decode()
