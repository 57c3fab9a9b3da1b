"""The results command writes files, and formats for programs to stdout."""

import asyncio
import csv
import io
import json
import os

import pyarrow.ipc
import pyarrow.parquet
import pytest
import yaml

from headrace.gateway.v1 import gateway_pb2


@pytest.fixture
def ended(gateway, make_job, make_result):
    gateway.jobs = [make_job(9, "SUCCEEDED")]
    gateway.recorded = [
        (1, make_result(0)),
        (1, make_result(1, error="TIMEOUT")),
        (1, make_result(2, '{"n": "=1"}')),
    ]
    return gateway.jobs[0]


def rows(text):
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    return [dict(zip(header, row, strict=True)) for row in rows]


async def test_csv_goes_to_stdout(cli, ended, job_id):
    done = await cli.run("results", job_id, "--format", "csv")
    assert (done.code, done.err) == (0, "")
    assert [
        (row["item_index"], row["output.label"], row["output.n"], row["error.reason"])
        for row in rows(done.out)
    ] == [
        ("0", "a", "", ""),
        ("1", "", "", "TIMEOUT"),
        ("2", "", "=1", ""),
    ]
    escaped = await cli.run("results", job_id, "--format", "csv", "--escape-formulas")
    assert rows(escaped.out)[2]["output.n"] == "'=1"


async def test_json_lines_are_the_same_on_stdout_and_in_a_file(cli, ended, job_id, tmp_path):
    out = tmp_path / "out.jsonl"
    shown = await cli.run("results", job_id, "--json")
    assert (await cli.run("results", job_id, "--format", "jsonl")).out == shown.out
    done = await cli.run("results", job_id, "--output", str(out))
    assert (done.code, done.out, done.err) == (0, "", f"3 results in {out}\n")
    assert out.read_text() == shown.out
    assert (await cli.run("results", job_id, "--format", "csv", "--output", "-")).out.startswith(
        "item_index,"
    )


@pytest.mark.parametrize(
    ("name", "opened"), [("arrow", pyarrow.ipc.open_stream), ("parquet", pyarrow.parquet.ParquetFile)]
)
async def test_binary_formats_go_to_a_pipe(cli, ended, job_id, name, opened):
    process = await cli.start("results", job_id, "--format", name)
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    reader = opened(io.BytesIO(out))
    table = reader.read() if name == "parquet" else reader.read_all()
    assert table["item_index"].to_pylist() == [0, 1, 2]


async def test_inputs_are_asked_for(cli, gateway, ended, job_id, tmp_path):
    gateway.recorded[0][1].input, gateway.recorded[0][1].item_key = '{"title": "t"}', "k"
    done = await cli.run("results", job_id, "--include-inputs", "--format", "csv")
    assert (rows(done.out)[0]["input.title"], rows(done.out)[0]["item_key"]) == ("t", "k")
    assert all(request.include_inputs for request in gateway.requests_of(gateway_pb2.GetResultsRequest))


async def test_followed_csv_comes_as_it_is_recorded(cli, gateway, ended, job_id, make_result):
    gateway.recorded = [
        (1, make_result(0, error="TIMEOUT")),
        (2, make_result(1, '{"a": 1}')),
        (3, make_result(2, '{"b": 2, "a": 3}')),
    ]
    gateway.page_size = 1
    gateway.script_results(3, ended)
    done = await cli.run("results", job_id, "--follow", "--format", "csv")
    assert [(row["item_index"], row["output.a"], row["output"]) for row in rows(done.out)] == [
        ("0", "", ""),
        ("1", "1", ""),
        ("2", "", '{"b":2,"a":3}'),
    ]


async def test_a_live_job_is_said_to_go_on(cli, gateway, make_job, ended, job_id, tmp_path):
    gateway.jobs = [make_job(5, "RUNNING")]
    out = tmp_path / "out.csv"
    done = await cli.run("results", job_id, "--output", str(out))
    assert done.err == f"3 results in {out}; the job has not ended: the same command adds its later results\n"
    assert len(rows(out.read_text())) == 3


async def test_a_file_of_somebody_else_stays_unless_it_may_be_replaced(cli, ended, job_id, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    done = await cli.run("results", job_id, "--output", str(out))
    assert (done.code, out.read_text()) == (2, "mine")
    assert "--overwrite" in done.err
    assert (await cli.run("results", job_id, "--output", str(out), "--overwrite")).code == 0
    assert len(rows(out.read_text())) == 3


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
async def test_the_same_command_again_reads_nothing_until_the_job_changes(
    cli, gateway, ended, job_id, make_result, tmp_path, name
):
    out = tmp_path / name
    command = ("results", job_id, "--output", str(out))
    first = await cli.run(*command)
    gateway.requests.clear()
    again = await cli.run(*command)
    assert (again.code, again.err) == (first.code, first.err) == (0, f"3 results in {out}\n")
    assert not gateway.requests_of(gateway_pb2.GetResultsRequest)
    gateway.recorded[1] = (4, make_result(1))
    ended.seq += 1
    done = await cli.run(*command)
    count = 4 if name == "out.jsonl" else 3
    assert (done.code, done.err) == (0, f"{count} results in {out}\n")


async def test_another_form_of_the_same_results_replaces_the_file(cli, ended, job_id, tmp_path):
    out = tmp_path / "out.csv"
    await cli.run("results", job_id, "--output", str(out))
    await cli.run("results", job_id, "--output", str(out), "--escape-formulas")
    assert rows(out.read_text())[2]["output.n"] == "'=1"


async def test_a_finished_file_that_was_changed_is_not_replaced(cli, ended, job_id, tmp_path):
    out = tmp_path / "out.jsonl"
    await cli.run("results", job_id, "--output", str(out))
    out.write_text("my notes\n")
    done = await cli.run("results", job_id, "--output", str(out))
    assert (done.code, out.read_text()) == (2, "my notes\n")
    assert "holds something else" in done.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--output", "out.txt"), "'out.txt' does not tell a format"),
        (("--output", "out.parquet.gz"), "leave out .gz"),
        (("--format", "xlsx"), "'xlsx' is not known"),
        (("--format", "csv", "--json"), "--json prints JSON lines"),
        (("--format", "parquet", "--summary"), "--summary counts"),
        (("--output", "out.csv", "--summary"), "--summary counts"),
        (("--format", "yaml", "--output", "out.yaml"), "redirect stdout"),
        (("--format", "table", "--json"), "--json prints JSON lines"),
        (("--escape-formulas",), "for CSV and TSV"),
    ],
)
async def test_options_that_make_no_sense_are_bad_use(cli, ended, job_id, options, problem):
    done = await cli.run("results", job_id, *options)
    assert done.code == 2
    assert problem in " ".join(done.err.replace("│", " ").split())


async def test_a_folder_that_does_not_exist_is_an_unwritable_output(cli, ended, job_id, tmp_path):
    done = await cli.run("results", job_id, "--output", str(tmp_path / "none" / "out.csv"))
    assert (done.code, done.err) == (5, "error: cannot write the output: No such file or directory\n")


async def test_results_have_the_formats_of_other_listings_on_stdout(cli, ended, job_id):
    run = {
        name: await cli.run("results", job_id, "-o", name)
        for name in ("table", "wide", "json", "yaml", "name", "jsonl")
    }
    assert {(done.code, done.err) for done in run.values()} == {(0, "")}
    assert json.loads(run["json"].out) == run["jsonl"].objects == yaml.safe_load(run["yaml"].out)
    assert run["name"].out.split() == ["0", "1", "2"]
    header, first, second, _ = run["table"].out.splitlines()
    assert header.split() == ["INDEX", "KEY", "STATE", "OUTPUT"]
    assert first.split() == ["0", "-", "SUCCEEDED", '{"label":"a"}']
    assert "TIMEOUT: it went wrong" in second
    assert "ATTEMPTS" in run["wide"].out


async def test_a_summary_has_the_formats_of_failures(cli, ended, job_id):
    for name in ("csv", "yaml", "name", "jsonl"):
        counted = await cli.run("failures", job_id, "-o", name)
        assert (await cli.run("results", job_id, "--summary", "-o", name)).out == counted.out


async def test_a_followed_table_comes_as_it_is_recorded(cli, gateway, ended, job_id):
    gateway.script_results(1, hold=True)
    process = await cli.start("results", job_id, "--follow", "-o", "table")
    header = await asyncio.wait_for(process.stdout.readline(), 20)
    assert header.split() == [b"INDEX", b"KEY", b"STATE", b"OUTPUT"]
    assert (await asyncio.wait_for(process.stdout.readline(), 20)).split()[0] == b"0"
    process.kill()
    await process.communicate()


async def test_half_an_emoji_is_replaced_in_yaml(cli, gateway, ended, job_id, make_result):
    gateway.recorded = [(1, make_result(0, '"\\ud83d"'))]
    (result,) = yaml.safe_load((await cli.run("results", job_id, "-o", "yaml")).out)
    assert result["output"] == "\ufffd"


async def test_a_device_is_written_without_a_state(cli, ended, job_id):
    done = await cli.run("results", job_id, "--output", "/dev/stdout", "--format", "jsonl")
    assert [json.loads(line)["item_index"] for line in done.out.splitlines()] == [0, 1, 2]
    assert not os.path.exists("/dev/stdout.headrace")
