"""The command line with closed and full outputs, readers that are gone, signals and plain terminals."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios

import grpc
import pytest

from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

NO_SPACE = "error: cannot write the output: No space left on device\n"


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"title": "Cook"}\n{"title": "Nurse"}\n')
    return str(path)


@pytest.fixture
def full():
    with open("/dev/full", "wb") as device:
        yield device


async def ended(process, data=b""):
    out, err = await asyncio.wait_for(process.communicate(data), 60)
    return process.returncode, (out or b"").decode(errors="replace"), (err or b"").decode()


@pytest.mark.parametrize(
    "command", ["get", "results", "watch", "wait", "list", "kinds", "top", "ping", "completion", "--help"]
)
async def test_a_full_output_is_one_line_and_exits_5(
    cli, gateway, make_job, make_result, job_id, full, command
):
    gateway.jobs, gateway.recorded = [make_job()], [(1, make_result(0))]
    gateway.kinds = [jobs_pb2.Kind(name="noop")]
    gateway.script(make_job(1, "SUCCEEDED"))
    arguments = {name: [job_id] for name in ("get", "results", "watch", "wait")} | {"completion": ["bash"]}
    process = await cli.start(command, *arguments.get(command, []), stdout=full)
    assert await ended(process) == (5, "", NO_SPACE)


async def test_a_submitted_job_whose_id_cannot_be_written_is_named_on_stderr(
    cli, gateway, rows, job_id, full
):
    code, _, err = await ended(await cli.start("submit", "noop", "--items", rows, stdout=full))
    assert code == 5
    assert err == f"job {job_id} is submitted; to see it: headrace get {job_id}\n{NO_SPACE}"


@pytest.mark.parametrize("json", [[], ["--json"]], ids=["text", "json"])
async def test_a_reader_that_needs_one_line_ends_the_command_quietly(cli, gateway, make_result, job_id, json):
    gateway.recorded = [(1, make_result(n, '"' + "x" * 5_000 + '"')) for n in range(200)]
    process = await cli.start("results", job_id, *json)
    await process.stdout.readline()
    process.stdout._transport.close()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert await process.stderr.read() == b""


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=str)
async def test_closed_streams_do_not_stop_a_command(cli, gateway, rows, job_id, closed):
    def close():
        for number in closed:
            os.close(number)

    process = await cli.start("submit", "noop", "--items", rows, preexec_fn=close)
    code, out, err = await ended(process)
    assert (code, err) == (0, "")
    assert out == ("" if 1 in closed else f"{job_id}\n")
    assert len(gateway.requests_of(gateway_pb2.SubmitJobRequest)) == 1


async def test_errors_for_a_full_or_closed_stderr_keep_their_exit_code(cli, job_id, full):
    process = await cli.start("get", job_id, stderr=full)
    assert (await ended(process))[0] == 4
    process = await cli.start("get", job_id, preexec_fn=lambda: os.close(2))
    assert (await ended(process))[0] == 4


async def test_progress_that_cannot_be_written_does_not_end_a_watch(cli, gateway, make_job, job_id, full):
    gateway.script(make_job(1), make_job(2, "SUCCEEDED", succeeded=3))
    code, out, _ = await ended(await cli.start("watch", job_id, stderr=full))
    assert (code, len(out.splitlines())) == (0, 1)


async def test_closed_stdin_is_no_items(cli, gateway):
    process = await cli.start("submit", "noop", "--items", "-", preexec_fn=lambda: os.close(0))
    code, out, err = await ended(process)
    assert (code, out) == (2, "")
    assert err.startswith("error: stdin has no items")
    assert gateway.requests == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signals_detach_from_a_watched_job(cli, gateway, make_job, job_id, signum, code):
    gateway.script(make_job(1), hold=True)
    process = await cli.start("watch", job_id)
    await process.stderr.readline()
    process.send_signal(signum)
    assert await ended(process) == (
        code,
        f"{job_id}\n",
        f"detached; the job continues. To watch it again: headrace watch {job_id}\n",
    )


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signals_end_other_commands_with_a_word_on_what_to_do(
    cli, gateway, monkeypatch, make_job, job_id, signum, code
):
    asked = asyncio.Event()

    async def silent(request, context):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(gateway, "_begin", silent)
    for arguments, expected in [
        (("get", job_id), ""),
        (("cancel", job_id), f"interrupted; to see whether it took effect: headrace get {job_id}\n"),
        (("retry", job_id), f"interrupted; to see whether it took effect: headrace get {job_id}\n"),
        (
            ("results", job_id, "--follow"),
            f"interrupted; the job continues. To follow again: headrace results {job_id} --follow\n",
        ),
    ]:
        asked.clear()
        process = await cli.start(*arguments)
        await asyncio.wait_for(asked.wait(), 30)
        process.send_signal(signum)
        assert await ended(process) == (code, "", expected), arguments


async def test_progress_in_a_file_repeats_no_line(cli, gateway, make_job, job_id):
    gateway.script(*[make_job(seq, "PENDING") for seq in range(1, 6)], make_job(9, "SUCCEEDED", succeeded=3))
    done = await cli.run("watch", job_id)
    assert [line.split()[0] for line in done.err.splitlines()] == ["PENDING"]
    assert len(done.out.splitlines()) == 1


async def shown_on_terminal(cli, columns, *arguments):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = await cli.start(*arguments, stdout=theirs, stderr=theirs)
    os.close(theirs)
    chunks = []
    while True:
        try:
            chunks.append(await asyncio.to_thread(os.read, ours, 65536))
        except OSError:
            break
    os.close(ours)
    assert await process.wait() == 0, b"".join(chunks).decode()
    process._transport.close()
    return b"".join(chunks).decode()


async def test_items_typed_on_a_terminal_are_asked_for(cli, gateway):
    ours, theirs = pty.openpty()
    process = await cli.start("submit", "noop", "--items", "-", stdin=theirs)
    os.close(theirs)
    asked = await asyncio.wait_for(process.stderr.readline(), 30)
    os.write(ours, b'{"n": 1}\n\x04')
    assert await asyncio.wait_for(process.wait(), 30) == 0
    os.close(ours)
    assert asked == b"reading items from the terminal: a JSON value on each line; end with Ctrl-D\n"
    assert list(gateway.requests[0].items) == ['{"n": 1}']


@pytest.mark.parametrize("columns", [8, 20, 5_000])
async def test_terminals_of_any_width_show_the_end(cli, gateway, make_job, job_id, columns):
    cli.env |= {"TERM": "xterm-256color"}
    cli.env.pop("COLUMNS", None)
    gateway.script(make_job(1), make_job(2, "SUCCEEDED", succeeded=3))
    assert "SUCCEEDED: 3 of 3 items done" in await shown_on_terminal(cli, columns, "watch", job_id)


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
async def test_a_terminal_that_cannot_move_its_cursor_gets_lines(cli, gateway, make_job, job_id, term):
    cli.env |= {"TERM": term}
    gateway.script(make_job(1), make_job(2, "SUCCEEDED", succeeded=3))
    shown = await shown_on_terminal(cli, 80, "watch", job_id)
    assert "\x1b" not in shown
    assert shown.splitlines()[0].startswith("RUNNING    0/3")


async def test_no_color_is_respected(cli, gateway, make_job, job_id):
    cli.env |= {"TERM": "xterm-256color", "NO_COLOR": "1"}
    gateway.script(make_job(1), make_job(2, "SUCCEEDED", succeeded=3))
    shown = await shown_on_terminal(cli, 80, "watch", job_id)
    assert "\x1b[3" not in shown
    assert "38;5" not in shown


@pytest.mark.parametrize(
    "locale",
    [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "ascii:strict"}],
    ids=str,
)
async def test_any_locale_prints_all_characters(cli, gateway, make_result, job_id, locale):
    cli.env |= locale
    gateway.recorded = [(1, make_result(0, '"Köchin \N{GRINNING FACE}"'))]
    code, out, err = await ended(await cli.start("results", job_id))
    assert (code, err) == (0, "")
    assert out.startswith("0\tSUCCEEDED\t")


@pytest.mark.parametrize("only", [[], ["--validate-only"]], ids=["submit", "validate-only"])
async def test_warnings_of_the_gateway_are_lines_on_stderr(cli, gateway, rows, only):
    gateway.warnings = ["1 of 2 items lack \x1b[31mcompany: they will fail"]
    done = await cli.run("submit", "noop", "--items", rows, *only)
    assert done.code == 0
    assert done.err == "warning: 1 of 2 items lack \N{REPLACEMENT CHARACTER}[31mcompany: they will fail\n"


@pytest.mark.parametrize(
    ("target", "code", "expected"),
    [
        ("127.0.0.1:1", 3, "nothing listens there; start one with `headrace dev`"),
        ("unix:/nowhere/socket", 3, "there is no such socket"),
        ("nowhere.invalid", 3, "its host name is not known"),
        ("https://gateway", 2, "TLS"),
        ("", 2, "is empty"),
        ("gateway:99999", 2, "port from 1 to 65535"),
    ],
)
async def test_a_target_without_a_gateway_is_one_line(cli, target, code, expected):
    done = await cli.run("--timeout", "2", "kinds", "--target", target)
    assert (done.code, done.out) == (code, "")
    assert expected in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak gRPC"), (b"", "it may expect TLS")],
)
async def test_another_server_at_the_target_is_named_as_such(cli, greeting, expected):
    async def answer(reader, writer):
        await reader.read(1)
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        done = await cli.run("--timeout", "2", "kinds", "--target", f"127.0.0.1:{port}")
    assert done.code == 3
    assert expected in done.err
    assert len(done.err.splitlines()) == 1


async def test_a_server_without_the_call_is_named_as_such(cli, gateway):
    gateway.failures = [grpc.StatusCode.UNIMPLEMENTED]
    done = await cli.run("kinds")
    assert (done.code, len(done.err.splitlines())) == (4, 1)
    assert "is not a gateway, or one of an older version" in done.err
