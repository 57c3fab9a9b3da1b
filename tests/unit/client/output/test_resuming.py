"""A download that was interrupted continues: no line is missing, and none comes twice."""

import asyncio
import errno
import json
import os
import signal

import pyarrow.parquet
import pytest

import headrace._data.output.line_file
from headrace import InvalidArgumentError, NotFoundError
from headrace.gateway.v1 import gateway_pb2


def indices(path):
    return [json.loads(line)["item_index"] for line in path.read_bytes().splitlines()]


def tokens(gateway):
    return [request.page_token for request in gateway.requests_of(gateway_pb2.GetResultsRequest)]


def cursors(gateway):
    return [request.cursor for request in gateway.requests_of(gateway_pb2.StreamResultsRequest)]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.jsonl"


@pytest.fixture
def state_of():
    return lambda path: path.with_name(f".{path.name}.headrace")


@pytest.fixture
def interrupted(client, gateway, job_id, record, out, monkeypatch):
    """Downloads the first four of ten results by pages of two, then breaks off."""

    async def interrupted(write="to_jsonl", path=out):
        if not gateway.recorded:
            record(*({"n": number} for number in range(10)))
        append = headrace._data.output.line_file.LineFile.append

        def break_off(self, lines, cursor):
            if self.line_count >= 4:
                raise KeyError("broken off")
            append(self, lines, cursor)

        with monkeypatch.context() as patched:
            patched.setattr(headrace._data.output.line_file.LineFile, "append", break_off)
            with pytest.raises(KeyError):
                await getattr(client.results(job_id), write)(path)
        gateway.requests.clear()

    return interrupted


async def test_a_broken_off_download_continues_after_its_last_page(
    client, gateway, ended, job_id, interrupted, out, state_of
):
    await interrupted()
    assert indices(out) == [0, 1, 2, 3]
    assert state_of(out).exists()
    assert await client.results(job_id).to_jsonl(out) == 10
    assert indices(out) == list(range(10))
    assert tokens(gateway) == ["4", "6", "8"]
    assert not state_of(out).exists()


@pytest.mark.parametrize(
    "tail",
    [b'{"item_index":4,"state":"SUCC', b"\0" * 4096, b"text of somebody\n", b'{"item_index":-4}\n', b"[]\n"],
    ids=["torn", "zeros", "text", "index", "list"],
)
async def test_what_is_not_a_whole_line_of_a_result_is_cut(client, ended, job_id, interrupted, out, tail):
    await interrupted()
    with open(out, "ab") as file:
        file.write(tail)
    assert await client.results(job_id).to_jsonl(out) == 10
    assert indices(out) == list(range(10))


@pytest.mark.parametrize("size", [0, 1, 300, 700])
async def test_lines_that_a_crash_of_the_machine_took_are_read_again(
    client, ended, job_id, interrupted, out, size
):
    await interrupted()
    os.truncate(out, size)
    await client.results(job_id).to_jsonl(out)
    assert sorted(indices(out)) == list(range(10))


async def test_lines_that_are_newer_than_the_state_do_not_come_twice(
    client, gateway, ended, job_id, interrupted, out, state_of
):
    await interrupted()
    state = json.loads(state_of(out).read_bytes())
    lines = out.read_bytes().splitlines(keepends=True)
    state |= {"cursor": "2", "size": len(lines[0]) + len(lines[1])}
    state_of(out).write_text(json.dumps(state))
    await client.results(job_id).to_jsonl(out)
    assert indices(out) == list(range(10))
    assert tokens(gateway)[0] == "2"


async def test_a_token_that_the_gateway_no_longer_knows_starts_again_without_repeating(
    client, gateway, ended, job_id, interrupted, out, monkeypatch
):
    await interrupted()
    begin = type(gateway)._begin

    async def refuse(self, request, context):
        if getattr(request, "page_token", "") == "4" and not tokens(gateway):
            self.failures.append(InvalidArgumentError("no", reason="INVALID_PAGE_TOKEN"))
        await begin(self, request, context)

    monkeypatch.setattr(type(gateway), "_begin", refuse)
    await client.results(job_id).to_jsonl(out)
    assert indices(out) == list(range(10))
    assert tokens(gateway)[:2] == ["4", ""]


async def test_a_job_that_was_retried_meanwhile_is_read_again_from_the_first_page(
    client, gateway, ended, job_id, interrupted, make_result, record, out
):
    record({"n": 0}, None, *({"n": number} for number in range(2, 10)))
    await interrupted()
    gateway.recorded[1] = (2, make_result(1))
    ended.seq += 5
    assert await client.results(job_id).to_jsonl(out) == 11
    assert indices(out) == [0, 1, 2, 3, 1, 4, 5, 6, 7, 8, 9]
    assert tokens(gateway)[0] == ""


async def test_a_table_has_one_row_for_an_item_that_failed_and_then_succeeded(
    client, gateway, ended, job_id, interrupted, make_result, record, tmp_path
):
    path = tmp_path / "out.parquet"
    record({"label": "x"}, None, *({"label": "x"} for _ in range(2, 10)))
    await interrupted("to_parquet", path)
    gateway.recorded[1] = (2, make_result(1))
    ended.seq += 5
    assert await client.results(job_id).to_parquet(path) == 10
    table = pyarrow.parquet.read_table(path)
    assert sorted(table["item_index"].to_pylist()) == list(range(10))
    assert set(table["state"].to_pylist()) == {"SUCCEEDED"}


@pytest.mark.parametrize(
    ("write", "name"),
    [
        ("to_csv", "out.csv"),
        ("to_parquet", "out.parquet"),
        ("to_jsonl", "out.jsonl.gz"),
        ("to_csv", "o.csv.zst"),
    ],
)
async def test_other_formats_continue_too_and_appear_when_they_are_whole(
    client, gateway, ended, job_id, interrupted, tmp_path, write, name
):
    await interrupted(write, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f".{name}.headrace",
        f".{name}.headrace.jsonl",
    ]
    assert await getattr(client.results(job_id), write)(tmp_path / name) == 10
    assert tokens(gateway)[0] == "4"
    assert [path.name for path in tmp_path.iterdir()] == [name]


async def test_results_of_a_live_job_are_added_by_the_same_call(
    client, gateway, live, job_id, record, out, state_of
):
    record({"n": 1}, begin=1)
    assert await client.results(job_id).to_jsonl(out) == 1
    assert state_of(out).exists()
    record({"n": 0}, begin=0)
    record({"n": 2}, begin=2)
    live.seq += 2
    assert await client.results(job_id).to_jsonl(out) == 3
    assert indices(out) == [1, 0, 2]
    live.state, live.seq = "JOB_STATE_SUCCEEDED", live.seq + 1
    assert await client.results(job_id).to_jsonl(out) == 3
    assert indices(out) == [1, 0, 2]
    assert not state_of(out).exists()


async def test_a_followed_download_continues_at_its_cursor(client, gateway, live, ended, job_id, record, out):
    record(*({"n": number} for number in range(6)))
    gateway.script_results(4, hold=True)
    following = asyncio.create_task(client.results(job_id, follow=True).to_jsonl(out))
    await asyncio.wait_for(gateway.held.wait(), 10)
    async with asyncio.timeout(10):
        while len(out.read_bytes().splitlines()) < 4:  # the lines come without a signal
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.wait([following])
    gateway.script_results(6, ended)
    assert await client.results(job_id, follow=True).to_jsonl(out) == 6
    assert indices(out) == list(range(6))
    assert cursors(gateway) == ["", "cursor-4"]


async def test_a_cursor_that_is_not_known_any_more_starts_again_without_repeating(
    client, gateway, ended, job_id, record, out, state_of
):
    record(*({"n": number} for number in range(6)))
    gateway.script_results(4, end=InvalidArgumentError("stop", reason="OTHER"))
    with pytest.raises(InvalidArgumentError):
        await client.results(job_id, follow=True).to_jsonl(out)
    gateway.script_results(0, end=InvalidArgumentError("no such cursor", reason="INVALID_CURSOR"))
    gateway.script_results(6, ended)
    assert await client.results(job_id, follow=True).to_jsonl(out) == 6
    assert indices(out) == list(range(6))
    assert cursors(gateway) == ["", "cursor-4", ""]


async def test_a_download_goes_on_with_follow_or_without(
    client, gateway, ended, job_id, record, interrupted, out
):
    await interrupted()
    gateway.script_results(10, ended)
    assert await client.results(job_id, follow=True).to_jsonl(out) == 10
    assert sorted(indices(out)) == list(range(10))


async def test_a_part_of_other_results_is_replaced_or_refused(
    client, gateway, ended, job_id, interrupted, out
):
    await interrupted()
    failed = client.results(job_id, item_state="FAILED")
    with pytest.raises(InvalidArgumentError, match=r"holds a part of other results.*overwrite"):
        await failed.to_jsonl(out, overwrite=False)
    assert len(indices(out)) == 4
    assert await failed.to_jsonl(out) == 0
    assert indices(out) == []


async def test_a_file_of_somebody_else_is_refused_if_asked(client, ended, job_id, record, out):
    out.write_text("mine\n")
    with pytest.raises(InvalidArgumentError, match=r"holds something else: .*overwrite"):
        await client.results(job_id).to_jsonl(out, overwrite=False)
    assert out.read_text() == "mine\n"
    record({"n": 1})
    await client.results(job_id).to_jsonl(out)
    assert indices(out) == [0]


async def test_an_unknown_job_makes_no_file(client, job_id, out):
    with pytest.raises(NotFoundError):
        await client.results(job_id).to_jsonl(out)
    assert not list(out.parent.iterdir())


async def test_two_downloads_do_not_write_one_file(client, gateway, ended, job_id, record, out):
    record({"n": 0})
    gateway.script_results(1, hold=True)
    first = asyncio.create_task(client.results(job_id, follow=True).to_jsonl(out))
    await asyncio.wait_for(gateway.held.wait(), 10)
    with pytest.raises(InvalidArgumentError, match="another process is writing"):
        await client.results(job_id).to_jsonl(out)
    first.cancel()
    await asyncio.wait([first])


async def test_a_full_disk_keeps_what_was_written(client, ended, job_id, record, out, monkeypatch):
    record(*({"n": number} for number in range(10)))
    line_file = headrace._data.output.line_file.LineFile
    append = line_file.append

    def fill(self, lines, cursor):
        if self.line_count >= 4:
            os.write(self._file.fileno(), lines[0][:20])
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, lines, cursor)

    with monkeypatch.context() as patched:
        patched.setattr(line_file, "append", fill)
        with pytest.raises(OSError, match="No space left"):
            await client.results(job_id).to_jsonl(out)
    assert await client.results(job_id).to_jsonl(out) == 10
    assert indices(out) == list(range(10))


async def test_a_download_survives_kill_minus_nine(cli, gateway, ended, job_id, record, out):
    record(*({"n": number} for number in range(40)))
    for until in (10, 20, 30):
        gateway.held.clear()
        gateway.script_results(until, hold=True)
        process = await cli.start("results", job_id, "--follow", "--output", str(out))
        await asyncio.wait_for(gateway.held.wait(), 30)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    gateway.script_results(40, ended)
    done = await cli.run("results", job_id, "--follow", "--output", str(out))
    assert (done.code, done.out, done.err) == (0, "", f"40 results in {out}\n")
    assert indices(out) == list(range(40))


async def test_ctrl_c_names_the_file_that_the_same_command_continues(
    cli, gateway, ended, job_id, record, out
):
    record({"n": 0}, {"n": 1})
    gateway.script_results(1, hold=True)
    command = ("results", job_id, "--follow", "--output", str(out))
    process = await cli.start(*command)
    await asyncio.wait_for(gateway.held.wait(), 30)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    assert err.decode() == f"interrupted; the same command continues {out}\n"
    gateway.script_results(2, ended)
    assert (await cli.run(*command)).code == 0
    assert indices(out) == [0, 1]


async def test_a_gateway_that_goes_away_leaves_a_download_to_continue(
    cli, gateway, ended, job_id, record, out
):
    record({"n": 0}, {"n": 1})
    gateway.script_results(1, end=NotFoundError("gone"))
    command = ("results", job_id, "--follow", "--output", str(out))
    done = await cli.run(*command)
    assert (done.code, done.err.splitlines()[0]) == (
        4,
        f"what was read so far is kept; the same command continues {out}",
    )
    gateway.script_results(2, ended)
    assert (await cli.run(*command)).code == 0
    assert indices(out) == [0, 1]
