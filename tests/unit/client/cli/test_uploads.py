"""Files and stdin of any size: uploaded while they are read."""

import asyncio
import fcntl
import json
import os
import signal

import pytest

from headrace.errors import InternalError
from headrace.gateway.v1 import gateway_pb2

LINE = json.dumps("x" * 50_000)


def lines(count, bad_line=None):
    rows = [f'{{"n": {number}, "text": {LINE}}}' for number in range(count)]
    if bad_line is not None:
        rows[bad_line - 1] = '{"n": '
    return "\n".join(rows) + "\n"


def batches(gateway):
    return [r for r in gateway.requests_of(gateway_pb2.AppendItemsRequest) if r.items]


@pytest.fixture
def upload(gateway, job_id):
    return lambda: gateway.uploads[job_id]


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "rows.jsonl"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("source", ["file", "stdin"])
async def test_a_large_input_is_uploaded_line_for_line(cli, upload, write, job_id, source):
    text = lines(200)
    args = ["--items", write(text)] if source == "file" else ["--items", "-"]
    done = await cli.run("submit", "noop", *args, stdin=text if source == "stdin" else "")
    assert (done.code, done.out, done.err) == (0, f"{job_id}\n", "")
    assert upload().items == text.splitlines()
    assert upload().closed


async def test_a_small_stdin_is_not_uploaded(cli, gateway, job_id):
    done = await cli.run("submit", "noop", "--items", "-", stdin="0\n1\n2\n")
    assert done.out == f"{job_id}\n"
    assert [list(request.items) for request in gateway.requests] == [["0", "1", "2"]]


async def test_the_id_is_printed_while_items_are_still_read(cli, gateway, upload, job_id):
    process = await cli.start("submit", "noop", "--items", "-")
    process.stdin.write(lines(100).encode())
    assert await asyncio.wait_for(process.stdout.readline(), 30) == f"{job_id}\n".encode()
    await asyncio.wait_for(gateway.arrived.wait(), 30)
    assert not upload().closed
    await asyncio.wait_for(process.communicate(b"1\n"), 30)
    assert len(upload().items) == 101
    assert upload().closed


async def test_json_shows_the_job_with_all_its_items(cli, write, job_id):
    done = await cli.run("submit", "noop", "--items", write(lines(100)), "--json")
    (job,) = done.objects
    assert (job["job_id"], job["progress"]["total_count"]) == (job_id, 100)


async def test_a_broken_line_in_an_upload_is_named_with_how_to_continue(cli, upload, write, job_id):
    command = ["submit", "noop", "--request-id", "mine", "--items"]
    done = await cli.run(*command, write(lines(150, bad_line=141)))
    assert (done.code, done.out) == (2, f"{job_id}\n")
    assert "line 141 is not JSON" in done.err
    assert "the items before it are stored" in done.err
    assert "--request-id mine" in done.err
    assert len(done.err.splitlines()) == 1
    assert len(upload().items) == 140
    corrected = await cli.run(*command, write(lines(150)))
    assert (corrected.code, corrected.out) == (0, f"{job_id}\n")
    assert upload().items == lines(150).splitlines()


async def test_an_item_over_1_mb_in_an_upload_is_named_by_its_line(cli, write):
    text = lines(150) + json.dumps("y" * 2_000_000) + "\n"
    done = await cli.run("submit", "noop", "--items", write(text))
    assert done.code == 2
    assert "line 151 exceeds 1 MB" in done.err


async def test_ctrl_c_in_an_upload_prints_how_to_continue(cli, gateway, upload, job_id):
    process = await cli.start("submit", "noop", "--items", "-", "--request-id", "mine")
    process.stdin.write(lines(100).encode())
    await asyncio.wait_for(gateway.arrived.wait(), 30)
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), 30)  # although its stdin is open
    out, err = await process.communicate()
    assert (process.returncode, out) == (130, f"{job_id}\n".encode())
    assert job_id in err.decode()
    assert "--request-id mine" in err.decode()
    assert len(err.decode().splitlines()) == 1
    await asyncio.wait_for(gateway.append_ended.wait(), 30)
    assert not upload().closed


async def test_ctrl_c_while_stdin_is_awaited_ends_at_once(cli, gateway):
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    process = await cli.start("submit", "noop", "--items", "-", "--request-id", "mine", stdin=ours)
    os.close(ours)
    await asyncio.to_thread(os.write, theirs, b"1\n" * 4096)  # returns after half of it was read
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), 30)
    os.close(theirs)
    err = await process.stderr.read()
    assert process.returncode == 130
    assert err.decode().startswith("interrupted;")
    assert len(err.decode().splitlines()) == 1
    assert gateway.requests == []


async def test_an_error_of_the_gateway_in_an_upload_prints_how_to_continue(cli, gateway, write, job_id):
    gateway.break_upload(InternalError("internal error"), after=2)
    done = await cli.run("submit", "noop", "--items", write(lines(100)), "--request-id", "mine")
    assert (done.code, done.out) == (4, f"{job_id}\n")
    hint, error = done.err.splitlines()
    assert "--request-id mine" in hint
    assert error == "error: INTERNAL: internal error"


async def test_watching_shows_progress_while_items_are_still_read(cli, gateway, make_job, upload, job_id):
    gate = asyncio.Event()
    gateway.script(make_job(1, "UPLOADING", succeeded=2), gate=gate)
    gateway.script(make_job(3, "SUCCEEDED", succeeded=3))
    process = await cli.start("submit", "noop", "--items", "-", "--watch", "--json")
    process.stdin.write(lines(100).encode())
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    assert line["job"]["state"] == "UPLOADING"
    assert not upload().closed
    process.stdin.close()
    while not upload().closed:
        await asyncio.wait_for(gateway.append_ended.wait(), 30)
    gate.set()
    assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_watching_ends_when_the_job_fails_while_stdin_is_awaited(cli, gateway, make_job):
    gateway.script(make_job(1, "UPLOADING"), make_job(2, "FAILED"))
    process = await cli.start("submit", "noop", "--items", "-", "--watch")
    process.stdin.write(lines(100).encode())
    assert await asyncio.wait_for(process.wait(), 30) == 1
    out, err = await process.communicate()
    assert out.decode().splitlines()[-1].startswith("FAILED")
    assert [line.split()[0] for line in err.decode().splitlines()] == ["UPLOADING"]


async def test_ctrl_c_while_watching_an_upload_prints_how_to_continue(cli, gateway, make_job, job_id):
    gateway.script(make_job(1, "UPLOADING"), hold=True)
    process = await cli.start("submit", "noop", "--items", "-", "--watch", "--request-id", "mine")
    process.stdin.write(lines(100).encode())
    await asyncio.wait_for(gateway.held.wait(), 30)
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), 30)
    _out, err = await process.communicate()
    assert process.returncode == 130
    assert "--request-id mine" in err.decode()
    assert job_id in err.decode()
